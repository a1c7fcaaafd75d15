//! The summary of a run for programs: one JSON object on standard output, in place of the tables for people.
//!
//! Counts are those of the conservation meter: of this run, and since the pipeline first ran. Field names are part of the
//! command line's contract; fields may be added, and none changes its meaning.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    pipeline::{Ending, Report, chain_of},
    state::{Cause, Totals},
};

/// The summary of a run.
pub fn summary_json(reports: &[Report]) -> Value {
    let pipelines: Vec<Value> = reports.iter().map(pipeline).collect();
    json!({ "pipelines": pipelines })
}

fn pipeline(report: &Report) -> Value {
    let (config, figures) = (&report.config, &report.figures);
    let (ended, under_way, why) = match &report.result {
        Ok(Ending::Drained) => ("drained", 0, None),
        Ok(Ending::Abandoned { records, why }) => ("abandoned", *records, Some(why.clone())),
        Err(error) => ("failed", 0, Some(chain_of(error))),
    };
    json!({
        "name": report.name,
        "source": config.source.display,
        "sink": config.sink.display,
        "dead_letters": config.dead_letters.display,
        "ended": ended,
        "records_under_way": under_way,
        "why": why,
        "attempts_repeated": figures.retries,
        "waiting_for": figures.waiting(),
        "runs": report.runs.as_ref().map(|runs| json!({ "begun": runs.begun, "failed": runs.failed, "skipped": runs.skipped })),
        "unaccounted_for": i64::try_from(figures.totals.drift()).unwrap_or(i64::MAX),
        "this_run": counts(&figures.totals.since(&figures.at_start)),
        "since_first_start": counts(&figures.totals),
    })
}

fn counts(totals: &Totals) -> Value {
    json!({
        "consumed": totals.consumed,
        "split": totals.split,
        "written": totals.written,
        "dropped": totals.dropped_total(),
        "dead_lettered": totals.dead_lettered_total(),
        "dropped_by": by_cause(&totals.dropped),
        "dead_lettered_by": by_cause(&totals.dead_lettered),
    })
}

fn by_cause(counts: &BTreeMap<Cause, u64>) -> Vec<Value> {
    let one =
        |(cause, records): (&Cause, &u64)| json!({ "stage": cause.stage, "reason": cause.reason, "records": records });
    counts.iter().map(one).collect()
}
