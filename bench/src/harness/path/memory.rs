//! Peak memory with 1 and with 5 times as many records, with and without the keys that dedup keeps.

use anyhow::Result;

use super::{
    Names,
    kafka_discard::{LETTERS, LONGEST, config},
};
use crate::{
    Plan, data,
    engines::Engines,
    host::{self, Host},
    measure,
    report::{Limit, Ratio, Report},
    sitting::{Contender, Figures, Measure, figures, take_turns},
};

const RECORDS: u64 = 1_000_000;
const TIMES: u64 = 5;

pub fn measure(plan: &Plan, host: &Host, engines: &Engines) -> Result<Report> {
    let records = plan.records(RECORDS);
    println!("memory: {records} and {} records", records * TIMES);
    let once = data::topic(engines, &plan.folder, records)?;
    let more = data::topic(engines, &plan.folder, records * TIMES)?;
    engines.ensure(LETTERS)?;
    let kafka = engines.kafka()?;
    let names = Names::default();

    let run = |topic: &data::Topic, stages: &str| -> Result<Figures> {
        let config = config(kafka, &topic.name, &names.next(), stages, "discard:");
        let (used, summary) = measure::run(host.command(&config, &["--until", "caught-up"])?, LONGEST)?;
        if stages == host::STORE {
            host::check(&summary, &topic.truth)?;
        }
        let mut figures = figures(&used, topic.records);
        let keys = if stages == host::STORE { topic.truth.written } else { 0 };
        figures.insert(Measure::Keys, keys as f64);
        Ok(figures)
    };
    let series = take_turns(
        plan,
        vec![
            Contender::new("1 x", || run(&once, host::STORE)),
            Contender::new("5 x", || run(&more, host::STORE)),
            Contender::new("1 x, no dedup", || run(&once, host::VALIDATE)),
            Contender::new("5 x, no dedup", || run(&more, host::VALIDATE)),
        ],
    )?;
    let ratio = |of, to, goal| Ratio { measure: Measure::PeakMemory, of, to, goal };
    Ok(Report {
        path: "memory",
        title: format!("Peak memory, Kafka → validate → dedup → discard, 1 x and {TIMES} x"),
        records,
        measures: vec![Measure::PeakMemory, Measure::Keys, Measure::CpuPerMillion],
        series,
        ratios: vec![ratio("5 x, no dedup", "1 x, no dedup", Some(1.05)), ratio("5 x", "1 x", None)],
        limits: vec![Limit { measure: Measure::PeakMemory, program: "1 x", at_most: 150.0 }],
    })
}
