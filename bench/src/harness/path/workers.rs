//! One thread for the stages against two, on a chain that is bound by the CPU: a file, formatted, validated, deduplicated,
//! and written to nowhere. It needs two cores that nobody else uses.

use anyhow::Result;

use super::{
    file_discard::{config, truth},
    kafka_discard::LONGEST,
};
use crate::{
    Plan, data,
    engines::Engines,
    host::{self, Host},
    measure, native,
    report::{Ratio, Report},
    sitting::{Contender, Figures, Measure, figures, take_turns},
};

const RECORDS: u64 = 1_000_000;
/// What two threads should at least do more: 1.7 times.
const GOAL: f64 = 1.0 / 1.7;

pub fn measure(plan: &Plan, host: &Host, _: &Engines) -> Result<Report> {
    let records = plan.records(RECORDS);
    println!("workers: {records} documents");
    let documents = data::documents(&plan.folder, records)?;
    let input = documents.display().to_string();
    let (_, printed) = measure::run(native::command(&["file", &input])?, LONGEST)?;
    let truth = truth(&serde_json::from_str(&printed)?);
    let run = |workers: u32| -> Result<Figures> {
        let config = config(&documents, &format!("workers = {workers}\n"));
        let (used, summary) = measure::run(host.command(&config, &["--until", "caught-up"])?, LONGEST)?;
        host::check(&summary, &truth)?;
        Ok(figures(&used, records))
    };
    let series = take_turns(plan, vec![Contender::new("1 worker", || run(1)), Contender::new("2 workers", || run(2))])?;
    Ok(Report {
        path: "workers",
        title: "File of raw documents → format-user → validate → dedup → discard, on one thread and on two".to_owned(),
        records,
        measures: vec![Measure::Throughput, Measure::CpuPerMillion, Measure::Busy],
        series,
        ratios: vec![Ratio { measure: Measure::Throughput, of: "1 worker", to: "2 workers", goal: Some(GOAL) }],
        limits: Vec::new(),
    })
}
