//! From the start of the process to its first record: the file's, and the topic's, where joining a group comes first.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{
    Names,
    kafka_discard::{LETTERS, LONGEST, config},
};
use crate::{
    Plan, data,
    engines::Engines,
    host::{self, Host},
    measure::Running,
    report::{Limit, Report},
    sitting::{Contender, Figures, Measure, take_turns},
};

const RECORDS: u64 = 1_000;
/// A start is short, so there is time for more of them.
const RUNS: u32 = 4;

pub fn measure(plan: &Plan, host: &Host, engines: &Engines) -> Result<Report> {
    println!("start: to the first of {RECORDS} records");
    let topic = data::topic(engines, &plan.folder, RECORDS)?;
    engines.ensure(LETTERS)?;
    let kafka = engines.kafka()?;
    let input = plan.folder.join("users.ndjson");
    let lines: String =
        xtask::dataset::records(RECORDS, data::SEED).flat_map(|(line, _)| [line, "\n".to_owned()]).collect();
    fs::write(&input, lines).context("cannot write the records")?;
    let names = Names::default();

    let file = format!(
        "[[pipeline]]\nname = \"bench\"\ndead_letters = {{ url = \"discard:\" }}\n\n\
         [pipeline.source]\nurl = \"file:{}\"\n\n{}\n[pipeline.sink]\nurl = \"stdout:\"\n",
        input.display(),
        host::STORE
    );
    let until = ["--until", "caught-up"];
    let series = take_turns(
        &Plan { runs: plan.runs * RUNS, ..plan.clone() },
        vec![
            Contender::new("file", || first_line(host.command(&file, &until)?)),
            Contender::new("kafka", || {
                first_line(host.command(&config(kafka, &topic.name, &names.next(), host::STORE, "stdout:"), &until)?)
            }),
            Contender::new("file, cold cache", || {
                host.forget_code()?;
                first_line(host.command(&file, &until)?)
            }),
        ],
    )?;
    let limit = |program| Limit { measure: Measure::Start, program, at_most: 300.0 };
    Ok(Report {
        path: "start",
        title: "From the start of the process to its first record on standard output".to_owned(),
        records: RECORDS,
        measures: vec![Measure::Start],
        series,
        ratios: Vec::new(),
        limits: vec![limit("file"), limit("kafka")],
    })
}

/// The time from the start to the first line.
fn first_line(command: Command) -> Result<Figures> {
    let mut running = Running::start(command)?;
    let mut out = BufReader::new(running.stdout()?);
    let mut line = String::new();
    out.read_line(&mut line)?;
    let took = running.begun().elapsed();
    if !line.contains("\"email\"") {
        bail!("its first line is no record, but `{}`", line.trim_end());
    }
    // Read on, so that it can end in order.
    std::io::copy(&mut out, &mut std::io::sink())?;
    running.finish(LONGEST)?;
    Ok(Figures::from([(Measure::Start, took.as_secs_f64() * 1e3)]))
}
