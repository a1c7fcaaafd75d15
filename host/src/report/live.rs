//! The figures of a report for the live page: few enough to be sent again and again, and no other than the report's own.

use serde_json::{Value, json};

use super::{Contents, Counts, Series};

/// Most points of a chart.
const POINTS: i64 = 120;
/// Most texts of a column.
const LISTED: usize = 8;

/// The figures as a JSON object.
pub fn live(contents: &Contents) -> Value {
    json!({
        "rows": contents.rows,
        "more": contents.more,
        "registered": contents.registered.as_ref().map(|dates| series(&dates.parsed)),
        "arrived": series(&contents.arrived),
        "genders": contents.genders.as_ref().map(counts),
        "domains": contents.domains.as_ref().map(|domains| counts(&domains.counts)),
    })
}

fn series(series: &Series) -> Value {
    let series = series.at_most(POINTS);
    let points: Vec<_> = series.buckets().map(|(begin, rows)| json!([begin, rows])).collect();
    json!({ "per": series.step().name, "step_ms": series.step().ms, "points": points })
}

fn counts(counts: &Counts) -> Value {
    let top = counts.top(LISTED);
    let others = counts.total() - top.iter().map(|(_, rows)| rows).sum::<u64>();
    json!({ "top": top, "others": others })
}
