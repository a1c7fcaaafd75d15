//! `sqlite:` upserts rows into a table of an SQLite file.
//!
//! One write is one transaction on a thread for blocking work, fsynced (WAL, `synchronous = FULL`) before a row is
//! acknowledged. Beside the record's columns, a table has `write_timestamp` (microseconds, see
//! [`Stamps`](super::table::Stamps)), by which an older row never replaces a newer one, and `expires_at` (Unix
//! milliseconds, null for never). Expired rows are left out of the view `<table>_live` at once, and deleted bit by bit
//! by later writes. The time to live counts from the write, as Cassandra's does; writing the same record again does
//! not prolong it, and neither does a replay after a crash of what may have been written before.

mod schema;
mod upsert;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use rusqlite::Connection;

use self::upsert::Upsert;
use super::{Failure, OpenContext, OpenError, Sink, WriteBatch, retry_all, table::Table};
use crate::{config::SqliteSink, record::Field};

/// A table of an SQLite file.
pub struct SqliteTable {
    display: String,
    table: Arc<Table>,
    ttl: Option<Duration>,
    /// Behind a lock, so that a write whose future was dropped still ends before the next one begins.
    writer: Arc<Mutex<Writer>>,
}

struct Writer {
    connection: Connection,
    upsert: Upsert,
    config: SqliteSink,
    context: OpenContext,
}

impl Writer {
    fn write(&mut self, table: &Table, batch: &WriteBatch, rows: &[u32]) -> Vec<Failure> {
        let Self { connection, upsert, config, context } = self;
        let mut failures = upsert.write(connection, table, batch, rows);
        // It may be that another program has dropped or altered the table. Statements follow it by themselves, so once it
        // can take the rows again they are written.
        if failures.iter().any(|failure| failure.code == upsert::FAILED)
            && let Some(change) = schema::change(connection, table.columns(), config, context)
        {
            for failure in failures.iter_mut().filter(|failure| failure.code == upsert::FAILED) {
                (failure.code, failure.detail) = ("schema_changed", change.clone());
            }
        }
        failures
    }
}

impl SqliteTable {
    /// Opens the file (created with its folders where it is missing), creates the table if the configuration says so,
    /// and checks that it can take the rows.
    pub async fn open(config: &SqliteSink, context: &OpenContext) -> Result<Self, OpenError> {
        let (config, context) = (config.clone(), context.clone());
        let display = context.display.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let connection = schema::connect(&config, &context)?;
            let table = schema::prepare_table(&connection, &config, &context)?;
            let ttl = config.create.as_ref().and_then(|create| create.ttl);
            let upsert = Upsert::new(&config.table, &table, ttl);
            Ok((Arc::new(table), ttl, Writer { connection, upsert, config, context }))
        });
        let (table, ttl, writer) = opening.await.unwrap_or_else(|error| {
            let (url, message) = (display.clone(), format!("opening it was broken off: {error}"));
            Err(OpenError { url, message, hint: None, retryable: true })
        })?;
        Ok(Self { display, table, ttl, writer: Arc::new(Mutex::new(writer)) })
    }
}

impl Sink for SqliteTable {
    fn fields(&self) -> Vec<Field> {
        self.table.fields()
    }

    fn lifetime(&self) -> Option<Duration> {
        self.ttl
    }

    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        let (table, writer, batch) = (Arc::clone(&self.table), Arc::clone(&self.writer), Arc::clone(batch));
        let wanted = rows.to_vec();
        Box::pin(async move {
            let writing = tokio::task::spawn_blocking(move || {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write(&table, &batch, &wanted)
            });
            writing.await.unwrap_or_else(|error| {
                retry_all(rows, upsert::FAILED, &format!("writing to {} was broken off: {error}", self.display))
            })
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use super::*;
    use crate::{
        config::CreateTable,
        record::{Batch, Columns, Headers, Kind, Record},
    };

    /// Rows of a key and a text.
    fn batch(rows: &[(Kind, &str, &str)]) -> Arc<WriteBatch> {
        let mut batch = Batch::new("topic".into());
        let mut columns = Columns::new(2);
        for (offset, (kind, id, text)) in rows.iter().enumerate() {
            let (key, value, headers) = (None, None, Headers::default());
            batch.push(Record { key, value, headers, timestamp_ms: 1, partition: 0, offset: offset as i64 });
            for (column, text) in columns.columns.iter_mut().zip([id, text]) {
                column.kinds.push(*kind as u8);
                column.texts.push(text.as_bytes());
            }
        }
        Arc::new(WriteBatch { columns, ..WriteBatch::whole(batch) })
    }

    #[tokio::test]
    async fn a_full_disk_fails_every_good_row_for_a_retry_and_leaves_none_behind() {
        let folder = tempfile::tempdir().unwrap();
        let columns = ["id", "name"].map(|name| (name.to_owned(), "text".to_owned())).into();
        let create = CreateTable { columns, primary_key: "id".to_owned(), ttl: None, replication_factor: 1 };
        let (table, create) = ("t".to_owned(), Some(create));
        let config = SqliteSink { path: folder.path().join("t.db"), table, create };
        let (display, data_dir, timeout) = ("sqlite:t.db/t".to_owned(), PathBuf::new(), Duration::from_secs(5));
        let context = OpenContext { pipeline: "p".into(), display, data_dir, dead_letters: false, timeout };
        let mut sink = SqliteTable::open(&config, &context).await.unwrap();
        let big = "x".repeat(100_000);
        let batch = batch(&[(Kind::NotObject, "", ""), (Kind::String, "a", "small"), (Kind::String, "b", &big)]);

        let limit = |sink: &SqliteTable, pages: u32| {
            sink.writer.lock().unwrap().connection.pragma_update(None, "max_page_count", pages).unwrap();
        };
        limit(&sink, 10);
        let failures = sink.write(&batch, &[0, 1, 2]).await;
        let seen: Vec<_> = failures.iter().map(|failure| (failure.row, failure.code, failure.retryable)).collect();
        assert_eq!(seen, [(0, "not_json", false), (1, "disk_full", true), (2, "disk_full", true)]);
        let count = |sink: &SqliteTable| -> u32 {
            let writer = sink.writer.lock().unwrap();
            writer.connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count(&sink), 0);

        limit(&sink, 10_000);
        assert_eq!(sink.write(&batch, &[1, 2]).await, []);
        assert_eq!(count(&sink), 2);
    }
}
