//! The first measure as a picture: a bar for each program up to its median, a line from the least to the most.

use std::fmt::Write;

use super::Report;

const LEFT: f64 = 190.0;
const WIDTH: f64 = 520.0;
const ROW: f64 = 30.0;
const TOP: f64 = 56.0;
/// From dark to light, in turns; told apart without colours, too.
const COLOURS: [&str; 4] = ["#1b4965", "#62929e", "#bc6c25", "#a3a3a3"];

pub fn svg(report: &Report) -> String {
    let Some(measure) = report.measures.first().copied() else { return String::new() };
    let spreads: Vec<_> = report.series.iter().map(|series| (series.name, series.spread(measure))).collect();
    let most = spreads.iter().map(|(_, spread)| spread.max).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let x = |value: f64| LEFT + value / most * WIDTH;
    let (width, height) = (LEFT + WIDTH + 110.0, TOP + ROW * spreads.len() as f64 + 16.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\">{}</text>\n\
         <text x=\"12\" y=\"42\" fill=\"#555\">{} of {} records: median, least and most</text>\n",
        escaped(&report.title),
        measure.heading(),
        report.records,
    );
    for (row, ((name, spread), colour)) in spreads.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let y = TOP + ROW * row as f64;
        let middle = y + ROW / 2.0;
        // Writing to a text never fails.
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>\n\
             <path d=\"M{:.1} {middle}H{:.1}\" stroke=\"black\" stroke-width=\"2\"/>\n\
             <text x=\"{:.1}\" y=\"{}\">{}</text>\n",
            LEFT - 8.0,
            middle + 4.0,
            escaped(name),
            y + 5.0,
            x(spread.median) - LEFT,
            ROW - 10.0,
            x(spread.min),
            x(spread.max),
            x(spread.max) + 8.0,
            middle + 4.0,
            measure.shown(spread.median),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
