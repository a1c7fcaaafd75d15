//! The report's figures for the live page: read from a pipeline's table when a page asks for them, at most every few
//! seconds, and so seldom that reading takes a small share of the time. All pages have the same answer. While none is open,
//! nothing here runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Shared;
use crate::{
    config::{PipelineConfig, SinkEndpoint},
    report::{self, Limit, Place},
};

/// How often a table is read at most.
const EVERY: Duration = Duration::from_secs(5);
/// After a reading, nothing is read for so many times as long as it took.
const REST: u32 = 20;
/// Rows that are read: what a page of figures needs, and no more than a fraction of a second for either engine.
const ROWS: u64 = 20_000;

/// A pipeline and the table that it writes.
type Name = (String, String);
type Slot = Arc<tokio::sync::Mutex<Option<Taken>>>;

/// What was read of each table last.
#[derive(Default)]
pub(super) struct Reports(Mutex<BTreeMap<Name, Slot>>);

struct Taken {
    figures: Value,
    /// When it is read again, if somebody asks.
    due: Instant,
}

/// Whether a pipeline writes a table, so that there is something to report on.
pub(super) fn has_table(config: &PipelineConfig) -> bool {
    matches!(config.sink.endpoint, SinkEndpoint::Cassandra(_) | SinkEndpoint::Sqlite(_))
}

/// The figures of the table that a pipeline writes, or why there are none, and when they will be others.
pub(super) async fn report(State(shared): State<Arc<Shared>>, Path(pipeline): Path<String>) -> Response {
    let handles = shared.host.handles();
    let tables = handles.iter().filter(|handle| has_table(&handle.config));
    let tables: Vec<Name> = tables.map(|handle| (handle.name.clone(), handle.config.sink.display.clone())).collect();
    let Some(handle) = handles.iter().find(|handle| handle.name == pipeline && has_table(&handle.config)) else {
        return (StatusCode::NOT_FOUND, "there is no such pipeline, or it writes no table\n").into_response();
    };
    let sink = &handle.config.sink;
    let name = (pipeline, sink.display.clone());
    let place = Place { tables: vec![(sink.display.clone(), sink.endpoint.clone())], pipelines: Vec::new() };
    Json(shared.reports.figures(name, &tables, &place).await).into_response()
}

impl Reports {
    async fn figures(&self, name: Name, tables: &[Name], place: &Place) -> Value {
        let slot = self.slot(name, tables);
        // Others that ask wait for the same reading. It ends with the page that asked for it, and the next one begins anew.
        let mut slot = slot.lock().await;
        let begun = Instant::now();
        let taken = match slot.take() {
            Some(taken) if begun < taken.due => taken,
            _ => {
                let figures = match report::read(place, Limit::of(ROWS), &|_| {}).await {
                    Ok(report) => report::live(&report.contents),
                    Err(failed) => json!({ "failed": failed.to_string() }),
                };
                Taken { figures, due: Instant::now() + EVERY.max(begun.elapsed() * REST) }
            }
        };
        let mut figures = taken.figures.clone();
        if let Some(figures) = figures.as_object_mut() {
            let again_ms = taken.due.saturating_duration_since(Instant::now()).as_millis();
            figures.insert("again_ms".to_owned(), json!(again_ms as u64));
        }
        *slot = Some(taken);
        figures
    }

    /// Keeps nothing of tables that no pipeline writes any more.
    fn slot(&self, name: Name, tables: &[Name]) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|known, _| tables.contains(known));
        slots.entry(name).or_default().clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn name(n: u32) -> Name {
        (format!("p{n}"), "sqlite:nowhere.db/t".to_owned())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_table_is_read_once_in_a_while_however_many_ask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let place = report::address(&format!("sqlite:{}/t", path.display())).unwrap();
        let reports = Reports::default();
        let first = reports.figures(name(1), &[name(1)], &place).await;
        assert!(first["failed"].as_str().unwrap().contains("there is no file"), "{first}");
        let again_ms = first["again_ms"].as_u64().unwrap();
        assert!((4_000..=5_000).contains(&again_ms), "{first}");
        // The table is there now, and is not looked at before its time.
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch("CREATE TABLE t (gender text); INSERT INTO t VALUES ('x')").unwrap();
        let second = reports.figures(name(1), &[name(1)], &place).await;
        assert_eq!(second["failed"], first["failed"]);
        let other = reports.figures(name(2), &[name(1), name(2)], &place).await;
        assert_eq!((&other["rows"], &other["genders"]["top"]), (&json!(1), &json!([["x", 1]])));
    }

    #[test]
    fn nothing_is_kept_of_tables_that_are_no_more() {
        let reports = Reports::default();
        for n in 0..100 {
            reports.slot(name(n), &[name(n)]);
        }
        assert_eq!(reports.0.lock().unwrap().len(), 1);
    }
}
