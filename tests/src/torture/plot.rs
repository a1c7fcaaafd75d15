//! The storm as a picture: records per second and memory over time, with the storm marked. Samples go in, an SVG and a JSON
//! file come out, both without anything from elsewhere.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, Result};
use serde_json::json;

/// One look at the host.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the host was under way.
    pub seconds: f64,
    pub swaps: u64,
    /// Records that are done.
    pub records: u64,
    pub rss_kib: u64,
}

/// What was seen, and from when to when the storm was.
pub struct Storm<'a> {
    pub samples: &'a [Sample],
    pub from: f64,
    pub to: f64,
    /// What it shows, in one line.
    pub title: String,
}

const WIDTH: f64 = 960.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 180.0;

impl Storm<'_> {
    /// Writes `storm.svg` and `storm.json`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let samples: Vec<_> = self
            .samples
            .iter()
            .map(|s| json!({ "seconds": s.seconds, "swaps": s.swaps, "records": s.records, "rss_kib": s.rss_kib }))
            .collect();
        let json = json!({ "title": self.title, "storm": [self.from, self.to], "samples": samples });
        for (name, content) in [("storm.svg", self.svg()), ("storm.json", format!("{json:#}\n"))] {
            let path = folder.join(name);
            std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Records per second between two looks in a row.
    fn rates(&self) -> Vec<(f64, f64)> {
        let rate = |pair: &[Sample]| match pair {
            [a, b] if b.seconds > a.seconds => {
                Some((b.seconds, (b.records.saturating_sub(a.records)) as f64 / (b.seconds - a.seconds)))
            }
            _ => None,
        };
        self.samples.windows(2).filter_map(rate).collect()
    }

    fn svg(&self) -> String {
        let end = self.samples.last().map_or(1.0, |sample| sample.seconds).max(1.0);
        let x = |seconds: f64| LEFT + (WIDTH - LEFT - RIGHT) * seconds / end;
        let memory: Vec<(f64, f64)> = self.samples.iter().map(|s| (s.seconds, s.rss_kib as f64 / 1024.0)).collect();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 480\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"{WIDTH}\" height=\"480\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{}</text>\n",
            self.title
        );
        for (top, points, unit, colour) in
            [(44.0, self.rates(), "records/s", "#1f6feb"), (268.0, memory, "MiB of memory", "#b35900")]
        {
            let most = points.iter().map(|(_, value)| *value).fold(1.0, f64::max) * 1.1;
            let y = |value: f64| top + PANEL * (1.0 - value / most);
            let (from, width) = (x(self.from), x(self.to) - x(self.from));
            let line: Vec<String> =
                points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
            // Writing to a text cannot fail.
            let _ = write!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{PANEL}\" fill=\"#f3f0d8\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#7a7340\">swap storm</text>\n\
                 <path d=\"M{LEFT},{top}V{bottom}H{:.1}\" fill=\"none\" stroke=\"#888\"/>\n\
                 <polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0}</text>\n\
                 <text x=\"{:.1}\" y=\"{bottom}\" text-anchor=\"end\">0</text>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\">{unit}</text>\n",
                from + 6.0,
                top + 16.0,
                WIDTH - RIGHT,
                line.join(" "),
                LEFT - 6.0,
                top + 10.0,
                most,
                LEFT - 6.0,
                LEFT + 6.0,
                top + PANEL + 18.0,
                bottom = top + PANEL,
            );
        }
        let _ =
            write!(svg, "<text x=\"{:.1}\" y=\"470\" text-anchor=\"end\">{end:.0} s</text>\n</svg>\n", WIDTH - RIGHT);
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_taken_between_looks_and_the_picture_holds_both_lines() {
        let sample = |seconds, records| Sample { seconds, swaps: 0, records, rss_kib: 2048 };
        let samples = [sample(0.0, 0), sample(1.0, 100), sample(3.0, 500)];
        let storm = Storm { samples: &samples, from: 1.0, to: 2.0, title: "t".to_owned() };
        assert_eq!(storm.rates(), [(1.0, 100.0), (3.0, 200.0)]);
        assert_eq!(storm.svg().matches("<polyline").count(), 2);
    }
}
