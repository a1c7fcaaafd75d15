//! A report for programs. Field names are part of the command line's contract; fields may be added, and none changes its
//! meaning.

use serde_json::{Value, json};

use super::{Contents, Counts, Letters, Report, Series};
use crate::sink::timestamp_text;

/// Most texts that are listed of each column.
const LISTED: usize = 10;

/// The report as a JSON object.
pub fn json(report: &Report) -> Value {
    let contents = &report.contents;
    let registered = contents.registered.as_ref().map(|dates| {
        json!({
            "parsed": dates.parsed.total(),
            "unreadable": dates.unreadable,
            "missing": contents.missing("registered_date"),
            "users": series(&dates.parsed),
        })
    });
    let domains = contents.domains.as_ref().map(|domains| {
        let mut all = counts(&domains.counts);
        if let Some(all) = all.as_object_mut() {
            all.insert("without".to_owned(), domains.without.into());
            all.insert("certain".to_owned(), domains.counts.is_certain(LISTED).into());
        }
        all
    });
    json!({
        "table": report.table,
        "taken": timestamp_text(report.taken_ms),
        "limit": report.limit.rows(),
        "rows": contents.rows,
        "more": contents.more,
        "missing": missing(contents),
        "registered_date": registered,
        "arrival": { "unknown": contents.rows - contents.arrived.total(), "users": series(&contents.arrived) },
        "gender": contents.genders.as_ref().map(counts),
        "email_domains": domains,
        "time_to_live": { "rows_without_end": contents.staying(), "expiring": series(&contents.expiring) },
        "pipelines": report.letters.iter().map(letters).collect::<Vec<_>>(),
    })
}

fn missing(contents: &Contents) -> Vec<Value> {
    let one = |missing: &super::Missing| json!({ "column": missing.column, "type": missing.column_type, "rows": missing.rows });
    contents.columns.iter().map(one).collect()
}

/// Rows by time: each bucket by its beginning, those without rows left out.
pub(super) fn series(series: &Series) -> Value {
    let text = |ms: i64| timestamp_text(ms);
    let buckets: Vec<_> = series.buckets().map(|(begin, rows)| json!([text(begin), rows])).collect();
    json!({
        "first": series.ends().map(|(first, _)| text(first)),
        "last": series.ends().map(|(_, last)| text(last)),
        "per": series.step().name,
        "bucket_s": series.step().ms / 1_000,
        "buckets": buckets,
    })
}

fn counts(counts: &Counts) -> Value {
    let top: Vec<_> =
        counts.top(LISTED).into_iter().map(|(value, rows)| json!({ "value": value, "rows": rows })).collect();
    let shown: u64 = counts.top(LISTED).iter().map(|(_, rows)| rows).sum();
    json!({ "distinct": counts.distinct(), "top": top, "others": counts.total() - shown, "untold": counts.other() })
}

fn letters(letters: &Letters) -> Value {
    let one = |(cause, records): (&crate::state::Cause, &u64)| json!({ "stage": cause.stage, "reason": cause.reason, "records": records });
    match &letters.known {
        Ok(totals) => json!({
            "pipeline": letters.pipeline,
            "consumed": totals.consumed,
            "written": totals.written,
            "dropped": totals.dropped_total(),
            "dead_lettered": totals.dead_lettered_total(),
            "dead_lettered_by": totals.dead_lettered.iter().map(one).collect::<Vec<_>>(),
        }),
        Err(why) => json!({ "pipeline": letters.pipeline, "unknown": why }),
    }
}
