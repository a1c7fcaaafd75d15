//! The contract of the embedded log, on real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::*;
use crate::record::{HeaderWriter, Headers, Slices};

const WAIT: Duration = Duration::from_secs(5);

fn batch(records: &[(Option<&str>, &str)]) -> Arc<Batch> {
    let mut batch = Batch::new("test".into());
    for (key, value) in records {
        batch.push(Record {
            key: key.map(str::as_bytes),
            value: Some(value.as_bytes()),
            headers: Headers::default(),
            timestamp_ms: 7,
            partition: 0,
            offset: 0,
        });
    }
    Arc::new(batch)
}

fn from(topic: &str, from: &[(i32, i64)]) -> ReadRequest {
    ReadRequest { topic: topic.into(), from: from.to_vec(), max_records: 1_000_000, max_bytes: usize::MAX }
}

async fn read(log: &Arc<Log>, request: ReadRequest) -> Batch {
    log.read(request, Batch::new("test".into())).await.unwrap().0
}

/// As a process of its own would open it.
fn apart(folder: &Path) -> Arc<Log> {
    Log::open_apart(folder.canonicalize().unwrap().join(FILE_NAME)).unwrap()
}

#[tokio::test]
async fn offsets_are_dense_and_in_order_within_a_partition() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).await.unwrap();
    for round in 0..3 {
        let values: Vec<String> = (0..100).map(|i| format!("{:03}", round * 100 + i)).collect();
        let records: Vec<_> = values.iter().map(|value| (Some(value.as_str()), value.as_str())).collect();
        let appended = log.append("t", 4, batch(&records), WAIT).await.unwrap();
        assert_eq!(appended.len(), 100);
        for (place, value) in appended.iter().zip(&values) {
            assert_eq!(place.partition as u32, partition_of(value.as_bytes(), 4));
        }
    }
    let ends = log.end_offsets("t").await.unwrap().unwrap();
    let mut total = 0;
    for (partition, end) in ends.iter() {
        let found = read(&log, from("t", &[(partition, 0)])).await;
        assert_eq!(found.offsets, (0..end).collect::<Vec<_>>());
        let values: Vec<&[u8]> = found.values.iter().collect();
        assert!(values.is_sorted(), "order within a partition");
        total += found.len();
    }
    assert_eq!(total, 300);
}

#[tokio::test]
async fn a_key_keeps_its_partition_and_batches_without_key_go_round() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).await.unwrap();
    let first = log.append("t", 3, batch(&[(Some("a"), "1"), (Some("b"), "2")]), WAIT).await.unwrap();
    let again = log.append("t", 3, batch(&[(Some("b"), "3"), (Some("a"), "4")]), WAIT).await.unwrap();
    assert_eq!(first[0].partition, again[1].partition);
    assert_eq!(first[1].partition, again[0].partition);

    let mut partitions = Vec::new();
    for _ in 0..3 {
        let appended = log.append("t", 3, batch(&[(None, "x"), (None, "y")]), WAIT).await.unwrap();
        assert_eq!(appended[0].partition, appended[1].partition, "a batch stays together");
        partitions.push(appended[0].partition);
    }
    partitions.sort_unstable();
    assert_eq!(partitions, [0, 1, 2]);
}

#[tokio::test]
async fn nulls_empties_headers_and_timestamps_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).await.unwrap();
    let mut blocks = Slices::default();
    let mut writer = HeaderWriter::new(&mut blocks);
    writer.push("a", Some(b"\0\xff"));
    writer.push("a", None);
    writer.finish();
    let plain = Record {
        key: None,
        value: None,
        headers: Headers::default(),
        timestamp_ms: 1_700_000_000_123,
        partition: 0,
        offset: 0,
    };
    let mut records = Batch::new("test".into());
    records.push(plain);
    records.push(Record { key: Some(b""), value: Some(b""), ..plain });
    records.push(Record { value: Some(b"\0\xfe\xff"), headers: Headers::new(blocks.get(0)), ..plain });
    records.push(Record { timestamp_ms: -1, ..plain });
    let before = now_ms();
    log.append("t", 1, Arc::new(records), WAIT).await.unwrap();

    let found = read(&log, from("t", &[(0, 0)])).await;
    assert_eq!((found.record(0).key, found.record(0).value), (None, None));
    assert!(found.record(0).headers.is_empty());
    assert_eq!(found.record(0).timestamp_ms, 1_700_000_000_123);
    assert_eq!((found.record(1).key, found.record(1).value), (Some(&b""[..]), Some(&b""[..])));
    assert_eq!(found.record(2).value, Some(&b"\0\xfe\xff"[..]));
    let headers: Vec<_> = found.record(2).headers.collect();
    assert_eq!(headers, [(&b"a"[..], Some(&b"\0\xff"[..])), (b"a", None)]);
    assert!(found.record(3).timestamp_ms >= before, "an unknown timestamp becomes that of the append");
}

#[tokio::test]
async fn records_and_committed_positions_survive_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let positions: Positions = [(0, 1), (2, 5)].into_iter().collect();
    {
        let log = Log::open(folder.path()).await.unwrap();
        log.append("t", 3, batch(&[(None, "kept")]), WAIT).await.unwrap();
        log.commit("g", "t", &positions).await.unwrap();
        assert!(log.committed("other", "t").await.unwrap().is_empty());
    }
    let log = Log::open(folder.path()).await.unwrap();
    assert_eq!(log.committed("g", "t").await.unwrap(), positions);
    assert_eq!(read(&log, from("t", &[(0, 0)])).await.values.get(0), b"kept");
    // a topic that exists keeps its partitions
    assert_eq!(log.create_topic("t", 9).await.unwrap(), 3);
    assert_eq!(
        log.topics().await.unwrap(),
        [Topic { name: "t".to_owned(), ends: [(0, 1), (1, 0), (2, 0)].into_iter().collect() }]
    );
}

#[tokio::test]
async fn committing_in_a_topic_that_is_missing_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).await.unwrap();
    let error = log.commit("g", "nowhere", &Positions::default()).await.unwrap_err();
    assert!(matches!(&error, LogError::NoTopic { topic, .. } if topic == "nowhere"), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(log.end_offsets("nowhere").await.unwrap(), None);
}

#[tokio::test]
async fn all_users_of_a_folder_share_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let one = Log::open(folder.path()).await.unwrap();
    let other = Log::open(&folder.path().join(".")).await.unwrap();
    assert!(Arc::ptr_eq(&one, &other));
}

#[tokio::test]
async fn a_large_batch_is_one_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).await.unwrap();
    log.create_topic("t", 4).await.unwrap();
    let watcher = schema::connect(&log.file).unwrap();
    let version =
        |connection: &Connection| -> i64 { connection.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap() };
    let values: Vec<String> = (0..20_000).map(|i| i.to_string()).collect();
    let records: Vec<_> = values.iter().map(|value| (Some(value.as_str()), value.as_str())).collect();
    let records = batch(&records);
    let before = version(&watcher);
    let append = log.append("t", 4, records, WAIT);
    tokio::pin!(append);
    // whoever looks while it is being written sees nothing of it or all of it
    let count = |connection: &Connection| -> i64 {
        connection.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap()
    };
    let appended = loop {
        tokio::select! {
            biased;
            appended = &mut append => break appended.unwrap(),
            () = tokio::task::yield_now() => assert!(matches!(count(&watcher), 0 | 20_000)),
        }
    };
    assert_eq!(appended.len(), 20_000);
    assert_eq!(count(&watcher), 20_000);
    assert_ne!(version(&watcher), before);
}

#[tokio::test]
async fn a_batch_that_cannot_be_written_leaves_no_trace_and_may_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).await.unwrap();
    log.create_topic("t", 1).await.unwrap();
    // another process holds the lock
    let other = Connection::open(&log.file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = log.append("t", 1, batch(&[(None, "x")]), Duration::from_millis(1)).await.unwrap_err();
    assert!(error.is_retryable(), "{}", error.with_cause());
    other.execute_batch("ROLLBACK").unwrap();
    let appended = log.append("t", 1, batch(&[(None, "x")]), WAIT).await.unwrap();
    assert_eq!(appended, [Appended { partition: 0, offset: 0 }]);
}

#[tokio::test]
async fn two_processes_append_to_one_topic_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let logs = [Log::open(folder.path()).await.unwrap(), apart(folder.path())];
    let mut writers = Vec::new();
    for log in logs.clone() {
        writers.push(tokio::spawn(async move {
            for _ in 0..20 {
                log.append("t", 1, batch(&[(None, "a"), (None, "b")]), WAIT).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for log in &logs {
        let found = read(log, from("t", &[(0, 0)])).await;
        assert_eq!(found.offsets, (0..80).collect::<Vec<_>>());
        for pair in 0..40 {
            assert_eq!((found.values.get(2 * pair), found.values.get(2 * pair + 1)), (&b"a"[..], &b"b"[..]));
        }
    }
}

#[tokio::test]
async fn a_reader_is_woken_by_its_own_process_and_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).await.unwrap();
    for writer in [Arc::clone(&log), apart(folder.path())] {
        let mut changes = log.changes();
        changes.mark();
        // let earlier appends pass, as a reader that finds nothing new would
        while changes.wait(Instant::now()).await.unwrap() {
            changes.mark();
        }
        let waiting = tokio::spawn(async move { changes.wait(Instant::now() + Duration::from_secs(30)).await });
        writer.append("t", 1, batch(&[(None, "x")]), WAIT).await.unwrap();
        assert!(waiting.await.unwrap().unwrap());
    }
    let mut changes = log.changes();
    changes.mark();
    log.append("t", 1, batch(&[(None, "between the mark and the wait")]), WAIT).await.unwrap();
    assert!(changes.wait(Instant::now()).await.unwrap());
}

#[tokio::test]
async fn reading_keeps_to_its_limits_but_takes_one_large_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path()).await.unwrap();
    let large = "x".repeat(100_000);
    log.append("t", 1, batch(&[(None, &large), (None, "b"), (None, "c"), (None, "d")]), WAIT).await.unwrap();
    let limited = |at, max_records, max_bytes| ReadRequest { max_records, max_bytes, ..from("t", &[(0, at)]) };
    assert_eq!(read(&log, limited(0, 10, 10)).await.len(), 1);
    assert_eq!(read(&log, limited(1, 2, 10)).await.len(), 2);
    assert_eq!(read(&log, limited(1, 10, 2)).await.len(), 2);
    assert_eq!(read(&log, limited(4, 10, 10)).await.len(), 0);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(Log::open(folder.path()).await.unwrap());
    let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let Err(error) = Log::open(folder.path()).await else { panic!("opened") };
    assert!(matches!(error, LogError::Format { found: 99, known: 1, .. }), "{error}");
}
