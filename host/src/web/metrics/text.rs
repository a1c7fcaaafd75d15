//! The text format of Prometheus, version 0.0.4: a heading per metric, a line per sample.

use std::fmt::Write as _;

use super::table::{Kind, Metric};
use crate::pipeline::Histogram;

/// Metrics as text; one is begun before its samples are added.
#[derive(Default)]
pub(super) struct Text {
    out: String,
    name: &'static str,
    heading: String,
    pipeline: Option<String>,
}

impl Text {
    /// Begins a metric. It is left out where no sample follows.
    pub fn begin(&mut self, metric: &Metric) {
        self.name = metric.name;
        self.pipeline = None;
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = metric.help.replace('\\', "\\\\");
        self.heading = format!("# HELP {0} {help}\n# TYPE {0} {kind}\n", metric.name);
    }

    /// The samples that follow are a pipeline's.
    pub fn pipeline(&mut self, name: &str) {
        self.pipeline = Some(name.to_owned());
    }

    /// A sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<f64>) {
        self.line("", labels, value.into());
    }

    /// A count, exact up to 2^53.
    pub fn count(&mut self, labels: &[(&str, &str)], value: u64) {
        self.line("", labels, value as f64);
    }

    /// All samples of a histogram.
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut cumulative = 0;
        let bounds = histogram.bounds().iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(histogram.counts()) {
            cumulative += count;
            let mut labels = labels.to_vec();
            labels.push(("le", &bound));
            self.line("_bucket", &labels, cumulative as f64);
        }
        self.line("_sum", labels, histogram.sum());
        self.line("_count", labels, cumulative as f64);
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(&std::mem::take(&mut self.heading));
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        let pipeline = self.pipeline.as_deref().map(|pipeline| ("pipeline", pipeline));
        for (i, (name, value)) in pipeline.iter().chain(labels).enumerate() {
            self.out.push(if i == 0 { '{' } else { ',' });
            let _ = write!(self.out, "{name}=\"{}\"", escaped(value));
        }
        if pipeline.is_some() || !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}

/// A label's value: whatever a plugin put into a reason stays within its quotes and its line.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::web::metrics::table::METRICS;

    #[test]
    fn a_reason_of_any_bytes_stays_one_label() {
        assert_eq!(escaped("a\"} 1\nb\\ <b>\r\0"), "a\\\"} 1\\nb\\\\ <b>\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_histogram_is_cumulative_and_a_metric_without_samples_is_left_out() {
        let mut text = Text::default();
        let metric = METRICS.iter().find(|metric| matches!(metric.kind, Kind::Histogram)).unwrap();
        text.begin(metric);
        assert_eq!(text.out, "");
        text.pipeline("p");
        let mut histogram = Histogram::new(&[0.5, 2.0]);
        [0.1, 1.0, 7.0].iter().for_each(|value| histogram.observe(*value));
        text.histogram(&[("stage", "s")], &histogram);
        let lines: Vec<&str> = text.out.lines().skip(2).collect();
        let name = metric.name;
        assert_eq!(
            lines,
            [
                format!("{name}_bucket{{pipeline=\"p\",stage=\"s\",le=\"0.5\"}} 1"),
                format!("{name}_bucket{{pipeline=\"p\",stage=\"s\",le=\"2\"}} 2"),
                format!("{name}_bucket{{pipeline=\"p\",stage=\"s\",le=\"+Inf\"}} 3"),
                format!("{name}_sum{{pipeline=\"p\",stage=\"s\"}} 8.1"),
                format!("{name}_count{{pipeline=\"p\",stage=\"s\"}} 3"),
            ]
        );
    }
}
