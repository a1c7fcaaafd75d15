// Draws the charts of a report from the numbers in #data. What came from records is only ever set as text.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const count = (n) => n.toLocaleString("en-US");
  const instant = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ") + "Z";
  const tip = (name, value) => {
    const box = document.createElement("div");
    box.className = "tip";
    box.append(name);
    const bold = document.createElement("b");
    bold.textContent = value;
    box.append(bold);
    return box;
  };
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue("--" + name).trim();
    return { ink: of("ink"), soft: of("soft"), line: of("line"), paper: of("paper"), accent: of("accent"), wash: of("wash") };
  };
  const tooltip = (c, formatter, trigger) => ({
    trigger, formatter, confine: true, backgroundColor: c.paper, borderColor: c.line, textStyle: { color: c.ink },
    axisPointer: { type: "line", lineStyle: { color: c.soft } },
  });
  // Between buckets without rows the line lies on the ground.
  const grounded = (points, step) => {
    const out = [];
    for (const [begin, rows] of points) {
      const last = out.length ? out[out.length - 1][0] : begin - step;
      if (begin - last > step) {
        out.push([last + step, 0]);
        if (begin - last > 2 * step) out.push([begin - step, 0]);
      }
      out.push([begin, rows]);
    }
    return out;
  };
  const overTime = (chart, c, width) => {
    const points = chart.points;
    const first = points.length ? points[0][0] : 0;
    const last = points.length ? points[points.length - 1][0] : 0;
    const few = (last - first) / chart.step < 60;
    const zoomable = !few && !matchMedia("print").matches;
    return {
      animation: false, useUTC: true,
      grid: { left: 8, right: 16, top: 12, bottom: zoomable ? 44 : 8, containLabel: true },
      tooltip: tooltip(c, (at) => tip(instant(at[0].value[0]), count(at[0].value[1]) + " " + chart.unit), "axis"),
      xAxis: {
        type: "time", min: few ? first - chart.step / 2 : first, max: few ? last + chart.step / 2 : last,
        splitNumber: width < 500 ? 3 : 8, minInterval: chart.step, axisLine: { lineStyle: { color: c.line } }, axisTick: { show: false },
        axisLabel: { color: c.soft, hideOverlap: true },
      },
      yAxis: {
        type: "value", minInterval: 1, splitLine: { lineStyle: { color: c.line } }, axisLabel: { color: c.soft },
      },
      dataZoom: zoomable ? [
        { type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false },
        {
          type: "slider", height: 18, bottom: 8, borderColor: c.line, fillerColor: c.wash, handleStyle: { color: c.accent },
          moveHandleSize: 0, showDetail: false, dataBackground: { lineStyle: { color: c.soft }, areaStyle: { color: c.line } },
          selectedDataBackground: { lineStyle: { color: c.accent }, areaStyle: { color: c.wash } },
        },
      ] : [],
      series: [few
        ? { type: "bar", data: points, itemStyle: { color: c.accent, borderRadius: [2, 2, 0, 0] }, barMaxWidth: 28, barMinWidth: 2 }
        : {
          type: "line", data: grounded(points, chart.step), showSymbol: false, sampling: "max",
          lineStyle: { color: c.accent, width: 1.25 }, itemStyle: { color: c.accent }, areaStyle: { color: c.wash },
        }],
    };
  };
  // Where there is little room a bar's name stands above it, else before it.
  const NARROW = 500;
  const rowHeight = (width) => (width < NARROW ? 40 : 28);
  const said = (bar) => count(bar[1]) + "  " + bar[2];
  const asBars = (chart, c, width) => {
    const bars = chart.bars.slice().reverse();
    const isNarrow = width < NARROW;
    // Digits are about 7 pixels wide.
    const room = Math.max(...bars.map((bar) => said(bar).length)) * 7 + 14;
    const name = isNarrow
      ? { inside: true, verticalAlign: "bottom", margin: 0, padding: [0, 0, 11, 0], width: width - 8 }
      : { width: Math.max(90, Math.min(width * 0.45, 280)) };
    return {
      animation: false,
      grid: isNarrow
        ? { left: 0, right: room, top: 14, bottom: -6 }
        : { left: 8, right: room, top: 0, bottom: 0, containLabel: true },
      tooltip: tooltip(c, (at) => tip(bars[at.dataIndex][0], count(bars[at.dataIndex][1]) + " " + chart.unit + ", " + bars[at.dataIndex][2]), "item"),
      xAxis: { type: "value", show: false, min: 0, max: (most) => Math.max(most.max, 1) },
      yAxis: {
        type: "category", data: bars.map((bar) => bar[0]), axisLine: { show: false }, axisTick: { show: false }, z: 3,
        axisLabel: { color: c.ink, overflow: "truncate", fontSize: 13, ...name },
      },
      series: [{
        type: "bar", data: bars.map((bar) => bar[1]), barWidth: isNarrow ? 10 : 14, itemStyle: { color: c.accent, borderRadius: [0, 3, 3, 0] },
        showBackground: true, backgroundStyle: { color: c.wash, opacity: 0.35, borderRadius: 3 },
        label: { show: true, position: "right", color: c.ink, fontSize: 12, formatter: (at) => said(bars[at.dataIndex]) },
      }],
    };
  };
  const drawn = [];
  for (const place of document.querySelectorAll("[data-chart]")) {
    const chart = data[Number(place.dataset.chart)];
    if ((chart.bars || chart.points).length === 0) {
      place.style.height = "auto";
      place.textContent = "None.";
      continue;
    }
    drawn.push({ place, chart, view: echarts.init(place, null, { renderer: "svg" }) });
  }
  const draw = () => {
    const c = colours();
    for (const { place, chart, view } of drawn) {
      if (chart.kind === "bars") place.style.height = chart.bars.length * rowHeight(place.clientWidth) + "px";
      // One or two columns need no tall chart.
      else if (chart.points.length < 3) place.style.height = "150px";
      view.resize();
      view.setOption((chart.kind === "bars" ? asBars : overTime)(chart, c, place.clientWidth), true);
    }
  };
  draw();
  let due = 0;
  const later = () => { cancelAnimationFrame(due); due = requestAnimationFrame(draw); };
  const sizes = new ResizeObserver(later);
  drawn.forEach(({ place }) => sizes.observe(place));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", later);
  matchMedia("print").addEventListener("change", draw);
  addEventListener("beforeprint", draw);
  addEventListener("afterprint", later);
  document.documentElement.dataset.drawn = drawn.length;
})();
