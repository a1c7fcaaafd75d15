//! Sink: a topic of the embedded log.
//!
//! In come rows, out goes one transaction for all of them: when `write` returns without a failure they are on the
//! disk, in batch order within each partition. An attempt is never given up half-way: it ends by SQLite's own lock
//! timeout, so that a row that is reported as failed was not written.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::{Failure, OpenContext, OpenError, Sink, WriteBatch};
use crate::{
    config::LogSink,
    log::{Log, LogError, Records},
    record::Record,
};

/// Largest record, key, value and headers together. SQLite takes no value beyond 1 GB; a record of this size is a
/// mistake long before that.
const MAX_RECORD_BYTES: usize = 256 << 20;

/// Appends to a topic of the embedded log.
pub struct LogSinkWriter {
    log: Arc<Log>,
    topic: String,
    partitions: u32,
    timeout: Duration,
}

/// Opens the log and creates the topic where it is missing.
pub async fn open(config: &LogSink, context: &OpenContext) -> Result<LogSinkWriter, OpenError> {
    let log = Log::open(&context.data_dir).await.map_err(|error| refused(context, &error))?;
    log.create_topic(&config.topic, config.partitions).await.map_err(|error| refused(context, &error))?;
    Ok(LogSinkWriter { log, topic: config.topic.clone(), partitions: config.partitions, timeout: context.timeout })
}

fn refused(context: &OpenContext, error: &LogError) -> OpenError {
    OpenError { url: context.display.clone(), message: error.with_cause(), hint: None, retryable: error.is_retryable() }
}

/// Some rows of a batch.
struct Rows {
    batch: Arc<WriteBatch>,
    rows: Vec<u32>,
}

impl Records for Rows {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn record(&self, row: usize) -> Record<'_> {
        self.batch.record(self.rows.get(row).copied().unwrap_or(u32::MAX))
    }
}

impl Sink for LogSinkWriter {
    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(async move {
            let (mut failures, mut taken) = (Vec::new(), Vec::with_capacity(rows.len()));
            for row in rows.iter().copied() {
                match too_large(&batch.record(row)) {
                    Some(detail) => failures.push(Failure { row, retryable: false, code: "too_large", detail }),
                    None => taken.push(row),
                }
            }
            let records = Rows { batch: Arc::clone(batch), rows: taken.clone() };
            if let Err(error) = self.log.append(&self.topic, self.partitions, records, self.timeout).await {
                // none of them is in the log; a later attempt may go through even where the error looks final, and no
                // single record is to blame
                let detail = error.with_cause();
                failures.extend(taken.into_iter().map(|row| Failure {
                    row,
                    retryable: true,
                    code: "log_error",
                    detail: detail.clone(),
                }));
                failures.sort_by_key(|failure| failure.row);
            }
            failures
        })
    }
}

fn too_large(record: &Record<'_>) -> Option<String> {
    let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + record.headers.block().len();
    (bytes > MAX_RECORD_BYTES)
        .then(|| format!("the record has {bytes} bytes; the embedded log takes at most {MAX_RECORD_BYTES}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        log::{FILE_NAME, ReadRequest},
        record::{Batch, HeaderWriter, Headers, Slices},
        sink::{Row, Text},
    };

    async fn sink(folder: &Path, timeout: Duration) -> LogSinkWriter {
        let config = LogSink { topic: "t".to_owned(), partitions: 2 };
        let context = OpenContext {
            pipeline: "p".into(),
            display: "log:t".to_owned(),
            data_dir: folder.to_owned(),
            dead_letters: false,
            timeout,
        };
        open(&config, &context).await.unwrap()
    }

    async fn read(folder: &Path, partition: i32) -> Batch {
        let request =
            ReadRequest { topic: "t".into(), from: vec![(partition, 0)], max_records: 1000, max_bytes: usize::MAX };
        let log = Log::open(folder).await.unwrap();
        log.read(request, Batch::new("t".into())).await.unwrap().0
    }

    fn batch() -> WriteBatch {
        let mut headers = Slices::default();
        let mut writer = HeaderWriter::new(&mut headers);
        writer.push("h", Some(b"1"));
        writer.finish();
        let mut source = Batch::new("s".into());
        for value in [&b"a"[..], b"b", b"c"] {
            source.push(Record {
                key: Some(b"key"),
                value: Some(value),
                headers: Headers::new(headers.get(0)),
                timestamp_ms: 5,
                partition: 0,
                offset: source.len() as i64,
            });
        }
        WriteBatch::whole(source)
    }

    #[tokio::test]
    async fn rows_are_written_with_made_values_keys_headers_and_nulls() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = sink(folder.path(), Duration::from_secs(5)).await;
        let mut batch = batch();
        batch.made.append([&b"made"[..]].into_iter().collect());
        batch.rows[1] = Row { origin: 1, value: Text::Made(0), key: Text::Source };
        batch.rows[2] = Row { origin: 2, value: Text::Null, key: Text::Source };
        assert_eq!(sink.write(&Arc::new(batch), &[0, 1, 2]).await, []);

        let partition = crate::log::partition_of(b"key", 2) as i32;
        let found = read(folder.path(), partition).await;
        let values: Vec<_> = (0..found.len()).map(|row| found.record(row).value).collect();
        assert_eq!(values, [Some(&b"a"[..]), Some(b"made"), None]);
        assert_eq!(found.record(1).key, Some(&b"key"[..]));
        assert_eq!(found.record(1).headers.get("h"), Some(&b"1"[..]));
        assert_eq!(found.record(1).timestamp_ms, 5);
    }

    #[tokio::test]
    async fn only_the_rows_asked_for_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = sink(folder.path(), Duration::from_secs(5)).await;
        assert_eq!(sink.write(&Arc::new(batch()), &[1]).await, []);
        let found = read(folder.path(), crate::log::partition_of(b"key", 2) as i32).await;
        assert_eq!(found.values.iter().collect::<Vec<_>>(), [b"b"]);
    }

    #[tokio::test]
    async fn while_another_process_holds_the_lock_all_rows_fail_retryably_and_none_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = sink(folder.path(), Duration::from_millis(1)).await;
        let other = rusqlite::Connection::open(folder.path().join(FILE_NAME)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let batch = Arc::new(batch());
        let failures = sink.write(&batch, &[0, 2]).await;
        assert_eq!(failures.iter().map(|failure| failure.row).collect::<Vec<_>>(), [0, 2]);
        assert!(failures.iter().all(|failure| failure.retryable), "{failures:?}");
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(sink.write(&batch, &[0, 2]).await, []);
        let found = read(folder.path(), crate::log::partition_of(b"key", 2) as i32).await;
        assert_eq!(found.offsets, [0, 1]);
    }
}
