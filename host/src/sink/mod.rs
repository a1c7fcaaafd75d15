//! Sinks: where records, and dead letters, are written.
//!
//! In comes a [`WriteBatch`], out go acknowledgements: a row that is not reported as failed **is durable**. A sink
//! never runs stages, never retries by itself beyond one attempt's timeout, and never commits positions: the
//! pipeline's writer does, in that order.

pub(crate) mod cassandra;
mod discard;
mod file;
pub mod kafka;
pub mod log;
mod ndjson;
mod open;
mod sqlite;
mod stdout;
mod table;
mod write_batch;

pub use cassandra::CassandraTable;
pub use discard::Discard;
pub use file::AppendedFile;
pub use open::open;
pub use sqlite::SqliteTable;
pub use stdout::Stdout;
pub(crate) use table::{parse_timestamp, timestamp_text};
pub use write_batch::{Origin, Row, Text, WriteBatch};

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::record::Field;

/// Writes records. One batch at a time is written to a sink; what happens at the same time within a batch is the
/// sink's business, as long as two rows with the same key end in batch order.
pub trait Sink: Send {
    /// The fields it needs of each record's JSON; `WriteBatch::columns` holds them in this order.
    fn fields(&self) -> Vec<Field> {
        Vec::new()
    }

    /// How long a row lives once it is written; `None`: for ever.
    fn lifetime(&self) -> Option<std::time::Duration> {
        None
    }

    /// Attempts to write these rows (ascending indexes into the batch) once, and reports those that are not durable.
    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>>;

    /// Lets go of what it holds. What was acknowledged stays durable whether this is called or not.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// The code of a failure that says: this sink will never take anything again (the terminal is gone). Such a failure is
/// marked retryable so that no record is dead-lettered for it; the pipeline ends, its records uncommitted.
pub const CLOSED: &str = "sink_closed";

/// A row that could not be written, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Index into the batch.
    pub row: u32,
    /// `true`: try again later (the sink is down or overloaded). `false`: it will never be taken; dead-letter it.
    pub retryable: bool,
    /// Stable reason code, such as `bad_value` or `too_large`.
    pub code: &'static str,
    /// What the sink said, in its own words.
    pub detail: String,
}

/// A retryable failure for each row.
fn retry_all(rows: &[u32], code: &'static str, detail: &str) -> Vec<Failure> {
    rows.iter().map(|row| Failure { row: *row, retryable: true, code, detail: detail.to_owned() }).collect()
}

/// What a sink needs to know besides its own settings.
#[derive(Debug, Clone)]
pub struct OpenContext {
    /// The pipeline it belongs to.
    pub pipeline: Arc<str>,
    /// Its `url`, without secrets.
    pub display: String,
    /// Folder of the embedded log.
    pub data_dir: std::path::PathBuf,
    /// Whether dead letters are written to it.
    pub dead_letters: bool,
    /// Longest time of one attempt.
    pub timeout: std::time::Duration,
}

/// Why a sink cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("sink `{url}`: {message}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct OpenError {
    /// The sink, without secrets.
    pub url: String,
    /// What was attempted and what came of it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether waiting may help (a broker that is down) or not (a column that is missing).
    pub retryable: bool,
}
