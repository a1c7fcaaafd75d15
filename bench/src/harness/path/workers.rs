//! One thread for the stages against two: on stages that the CPU bounds, and on stages so cheap that reading the file takes
//! as long. It needs two cores that nobody else uses.

use anyhow::Result;

use super::{
    file_discard::{config_with, truth},
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

const RECORDS: u64 = 500_000;
/// What two threads should at least do more: 1.7 times.
const GOAL: f64 = 1.0 / 1.7;

pub fn measure(plan: &Plan, host: &Host, _: &Engines) -> Result<Report> {
    let records = plan.records(RECORDS);
    println!("workers: {records} documents");
    let documents = data::documents(&plan.folder, records)?;
    let input = documents.display().to_string();
    let (_, printed) = measure::run(native::command(&["file", &input])?, LONGEST)?;
    let cheap = truth(&serde_json::from_str(&printed)?);
    // All of them are documents, and are written.
    let masked = data::Truth { consumed: records, written: records, ..data::Truth::default() };
    let run = |workers: u32, stages: &str, truth: &data::Truth| -> Result<Figures> {
        let config = config_with(&documents, &format!("workers = {workers}\n"), stages);
        let (used, summary) = measure::run(host.command(&config, &["--until", "caught-up"])?, LONGEST)?;
        host::check(&summary, truth)?;
        Ok(figures(&used, records))
    };
    let chain = format!("{}\n{}", host::FORMAT, host::STORE);
    let series = take_turns(
        plan,
        vec![
            Contender::new("1 worker", || run(1, host::MASK, &masked)),
            Contender::new("2 workers", || run(2, host::MASK, &masked)),
            Contender::new("1 worker, cheap", || run(1, &chain, &cheap)),
            Contender::new("2 workers, cheap", || run(2, &chain, &cheap)),
        ],
    )?;
    let ratio = |of, to, goal| Ratio { measure: Measure::Throughput, of, to, goal };
    Ok(Report {
        path: "workers",
        title: "File of raw documents (1.1 kB) → mask → mask, or format-user → validate → dedup (cheap) → discard"
            .to_owned(),
        records,
        measures: vec![Measure::Throughput, Measure::CpuPerMillion, Measure::Busy],
        series,
        ratios: vec![ratio("1 worker", "2 workers", Some(GOAL)), ratio("1 worker, cheap", "2 workers, cheap", None)],
        limits: Vec::new(),
    })
}
