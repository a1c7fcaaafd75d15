//! Topic → validate → dedup → nothing, rejects to a topic: where everything but the stages is cheap.

use std::time::Duration;

use anyhow::Result;

use super::Names;
use crate::{
    Plan, data,
    engines::Engines,
    host::{self, Host},
    measure, native,
    report::{Ratio, Report},
    sitting::{Contender, Figures, Measure, figures, take_turns},
};

const RECORDS: u64 = 1_000_000;
pub(super) const LONGEST: Duration = Duration::from_secs(300);
pub(super) const LETTERS: &str = "millstream-bench.dead_letters";

pub fn measure(plan: &Plan, host: &Host, engines: &Engines) -> Result<Report> {
    let records = plan.records(RECORDS);
    println!("kafka-discard: {records} records");
    let topic = data::topic(engines, &plan.folder, records)?;
    engines.ensure(LETTERS)?;
    let kafka = engines.kafka()?;
    let names = Names::default();

    let millstream = || -> Result<Figures> {
        let config = config(kafka, &topic.name, &names.next(), host::STORE, "discard:");
        let (used, summary) = measure::run(host.command(&config, &["--until", "caught-up"])?, LONGEST)?;
        host::check(&summary, &topic.truth)?;
        Ok(figures(&used, records))
    };
    let native = |parser: &'static str, consumer: &'static str| {
        let (topic, names) = (&topic, &names);
        move || -> Result<Figures> {
            let group = names.next();
            let arguments = ["kafka", "--brokers", kafka, "--topic", &topic.name, "--group", &group];
            let more = ["--dead-letters", LETTERS, "--parser", parser, "--consumer", consumer];
            let (used, printed) = measure::run(native::command(&[&arguments[..], &more[..]].concat())?, LONGEST)?;
            if parser != "nothing" {
                native::check(&printed, &topic.truth)?;
            }
            Ok(figures(&used, records))
        }
    };
    let series = take_turns(
        plan,
        vec![
            Contender::new("millstream", millstream),
            Contender::new("native", native("borrowed", "base")),
            Contender::new("millstream again", millstream),
            Contender::new("native again", native("borrowed", "base")),
            Contender::new("native, plain", native("owned", "stream")),
            Contender::new("native, our scanner", native("scanner", "base")),
            Contender::new("client", native("nothing", "base")),
        ],
    )?;
    let ratio = |of, to, goal| Ratio { measure: Measure::CpuPerMillion, of, to, goal };
    Ok(Report {
        path: "kafka-discard",
        title: "Kafka → validate → dedup → discard, dead letters to Kafka".to_owned(),
        records,
        measures: vec![Measure::CpuPerMillion, Measure::Throughput, Measure::PeakMemory],
        series,
        ratios: vec![
            ratio("millstream", "native", Some(0.7)),
            ratio("millstream", "native, plain", None),
            ratio("millstream", "native, our scanner", Some(1.5)),
            ratio("millstream", "client", None),
            ratio("millstream", "millstream again", None),
            ratio("native", "native again", None),
        ],
        limits: Vec::new(),
    })
}

/// A pipeline from that topic.
pub(super) fn config(kafka: &str, topic: &str, group: &str, stages: &str, sink: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"bench\"\ndead_letters = {{ url = \"kafka://{kafka}/{LETTERS}\" }}\n\n\
         [pipeline.source]\nurl = \"kafka://{kafka}/{topic}\"\ngroup = \"{group}\"\n\n{stages}\n\
         [pipeline.sink]\nurl = \"{sink}\"\n"
    )
}
