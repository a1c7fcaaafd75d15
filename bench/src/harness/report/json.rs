//! The figures for programs: every run of every measure, so that anything else can be computed from them.

use serde_json::{Map, Value, json};

use super::Report;
use crate::stats::Spread;

pub fn json(report: &Report) -> Value {
    let programs: Map<String, Value> = report
        .series
        .iter()
        .map(|series| {
            let of = |measure: &crate::sitting::Measure| (measure.name().to_owned(), json!(series.of(*measure)));
            (series.name.to_owned(), Value::Object(report.measures.iter().map(of).collect()))
        })
        .collect();
    let ratios: Vec<Value> = report
        .ratios
        .iter()
        .filter_map(|ratio| {
            let Spread { median, min, max } = report.spread(ratio)?;
            let measure = ratio.measure.name();
            Some(json!({ "of": ratio.of, "to": ratio.to, "measure": measure, "median": median, "min": min, "max": max, "goal": ratio.goal }))
        })
        .collect();
    json!({ "path": report.path, "title": report.title, "records": report.records, "programs": programs, "ratios": ratios })
}
