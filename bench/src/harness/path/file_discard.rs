//! File of raw API documents → format → validate → dedup → nothing: the longest chain, and no engine at all.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::kafka_discard::LONGEST;
use crate::{
    Plan, data,
    engines::Engines,
    host::{self, Host},
    measure, native,
    report::{Ratio, Report},
    sitting::{Contender, Figures, Measure, figures, take_turns},
};

const RECORDS: u64 = 500_000;

pub fn measure(plan: &Plan, host: &Host, _: &Engines) -> Result<Report> {
    let records = plan.records(RECORDS);
    println!("file-discard: {records} documents");
    let documents = data::documents(&plan.folder, records)?;
    let input = documents.display().to_string();

    // The ids are made while it runs, so none repeats; what is invalid is so for both programs.
    let (_, printed) = measure::run(native::command(&["file", &input])?, LONGEST)?;
    let truth = truth(&serde_json::from_str(&printed)?);
    let millstream = || -> Result<Figures> {
        let (used, summary) = measure::run(host.command(&config(&documents), &["--until", "caught-up"])?, LONGEST)?;
        host::check(&summary, &truth)?;
        Ok(figures(&used, records))
    };
    let native = || -> Result<Figures> {
        let (used, printed) = measure::run(native::command(&["file", &input])?, LONGEST)?;
        native::check(&printed, &truth)?;
        Ok(figures(&used, records))
    };
    let series = take_turns(
        plan,
        vec![
            Contender::new("millstream", millstream),
            Contender::new("native", native),
            Contender::new("millstream again", millstream),
            Contender::new("native again", native),
        ],
    )?;
    let ratio = |of, to, goal| Ratio { measure: Measure::CpuPerMillion, of, to, goal };
    Ok(Report {
        path: "file-discard",
        title: "File of raw documents (1.1 kB) → format-user → validate → dedup → discard".to_owned(),
        records,
        measures: vec![Measure::CpuPerMillion, Measure::Throughput, Measure::PeakMemory],
        series,
        ratios: vec![
            ratio("millstream", "native", Some(0.8)),
            ratio("millstream", "millstream again", None),
            ratio("native", "native again", None),
        ],
        limits: Vec::new(),
    })
}

/// What became of the records, by the native program's own words.
pub(super) fn truth(counts: &Value) -> data::Truth {
    let mut truth = data::Truth {
        consumed: host::number(counts, "consumed"),
        written: host::number(counts, "written"),
        dropped: host::number(counts, "dropped"),
        ..data::Truth::default()
    };
    for (reason, records) in counts.get("dead_lettered_by").and_then(Value::as_object).into_iter().flatten() {
        truth.rejected.insert(reason.clone(), records.as_u64().unwrap_or(u64::MAX));
    }
    truth
}

/// The whole chain.
fn config(documents: &Path) -> String {
    config_with(documents, "", &format!("{}\n{}", host::FORMAT, host::STORE))
}

/// A pipeline with these stages, and with further settings.
pub(super) fn config_with(documents: &Path, more: &str, stages: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"bench\"\ndead_letters = {{ url = \"discard:\" }}\n{more}\n\
         [pipeline.source]\nurl = \"file:{}\"\n\n{stages}\n[pipeline.sink]\nurl = \"discard:\"\n",
        documents.display(),
    )
}
