import { init, use } from "echarts/core";
import { BarChart, LineChart } from "echarts/charts";
import { DataZoomComponent, GridComponent, TooltipComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";
use([BarChart, LineChart, DataZoomComponent, GridComponent, TooltipComponent, SVGRenderer]);
export { init };
