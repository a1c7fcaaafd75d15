//! What a topic promises, the embedded log's and Kafka's alike, by the library's own sinks and sources.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream::{
    config::{KafkaSink, LogSink, SinkConfig, SinkEndpoint},
    record::{Batch, HeaderWriter, Headers, Positions, Record, Slices},
    sink::{self, Sink, WriteBatch},
    source::{BatchLimits, Filled},
};

use crate::stack::{Stack, drain, limits};

const PARTITIONS: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Keys and the partitions of four to which Kafka's Java client sends them.
const KEYS: [(&str, i32); 17] = [
    ("", 1),
    ("a", 0),
    ("ab", 2),
    ("abc", 3),
    ("abcd", 0),
    ("21", 0),
    ("foobar", 2),
    ("a-little-bit-long-string", 0),
    ("Zoë", 2),
    ("東京", 3),
    ("0", 0),
    ("1", 3),
    ("2", 0),
    ("3", 3),
    ("7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6", 0),
    ("00000000-0000-4000-8000-000000000000", 1),
    ("a key that is longer than the others, with spaces", 1),
];

macro_rules! facts {
    ($($fact:ident)*) => {
        mod log {
            $(#[tokio::test]
            async fn $fact() {
                super::$fact(super::Stack::embedded().unwrap()).await;
            })*
        }

        mod kafka {
            $(#[tokio::test]
            async fn $fact() {
                if let Some(stack) = super::Stack::kafka() {
                    super::$fact(stack).await;
                }
            })*
        }
    };
}

facts! {
    order_is_kept_within_a_partition
    a_key_has_the_same_partition_in_every_engine
    nulls_and_headers_survive
    committed_positions_survive_reopening
    the_changelogs_position_goes_before_the_groups
    limits_make_several_batches
    large_values_survive
}

fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Record<'a> {
    Record { key, value, headers: Headers::default(), timestamp_ms: -1, partition: 0, offset: 0 }
}

/// A topic, and the sink that writes to it.
async fn open(stack: &Stack, partitions: u32) -> Box<dyn Sink> {
    stack.create_topic("t", partitions).await;
    let display = stack.topic_url("t");
    let endpoint = match display.strip_prefix("kafka://").and_then(|address| address.split_once('/')) {
        Some((brokers, topic)) => {
            SinkEndpoint::Kafka(KafkaSink { brokers: brokers.to_owned(), topic: topic.to_owned(), options: Vec::new() })
        }
        None => SinkEndpoint::Log(LogSink { topic: "t".to_owned(), partitions }),
    };
    let context = sink::OpenContext {
        pipeline: "e2e".into(),
        display: display.clone(),
        data_dir: stack.data_dir(),
        dead_letters: false,
        timeout: TIMEOUT,
    };
    let config = SinkConfig { display, endpoint, timeout: TIMEOUT, retry_max_delay: TIMEOUT };
    sink::open(&config, &context).await.unwrap()
}

async fn write(sink: &mut dyn Sink, batch: Batch) {
    let batch = Arc::new(WriteBatch::whole(batch));
    let rows: Vec<u32> = (0..batch.len() as u32).collect();
    assert_eq!(sink.write(&batch, &rows).await, []);
}

/// Writes `n` records, number `i` with the key `i % keys` and the value `i`.
async fn write_numbers(sink: &mut dyn Sink, numbers: std::ops::Range<u32>, keys: u32) {
    let mut batch = Batch::new("made".into());
    for n in numbers {
        batch.push(record(Some((n % keys).to_string().as_bytes()), Some(n.to_string().as_bytes())));
    }
    write(sink, batch).await;
}

fn numbers(batch: &Batch) -> Vec<u32> {
    batch.values.iter().map(|value| std::str::from_utf8(value).unwrap().parse().unwrap()).collect()
}

async fn order_is_kept_within_a_partition(stack: Stack) {
    let mut sink = open(&stack, PARTITIONS).await;
    for begin in [0, 1_000, 2_000] {
        write_numbers(sink.as_mut(), begin..begin + 1_000, 37).await;
    }
    sink.close().await;
    let read = stack.read("t").await;
    assert_eq!(read.len(), 3_000);
    let mut last: BTreeMap<i32, (i64, u32)> = BTreeMap::new();
    for (row, n) in numbers(&read).into_iter().enumerate() {
        let Record { partition, offset, .. } = read.record(row);
        match last.insert(partition, (offset, n)) {
            None => assert_eq!(offset, 0, "a partition begins at 0"),
            Some((before, earlier)) => {
                assert_eq!(offset, before + 1, "offsets of partition {partition} have no gaps");
                assert!(n > earlier, "partition {partition}: {n} after {earlier}");
            }
        }
    }
    assert_eq!(last.len(), 4, "the keys are spread over all partitions");
    stack.end().await;
}

async fn a_key_has_the_same_partition_in_every_engine(stack: Stack) {
    let mut sink = open(&stack, PARTITIONS).await;
    for _ in 0..2 {
        let mut batch = Batch::new("made".into());
        KEYS.iter().for_each(|(key, _)| batch.push(record(Some(key.as_bytes()), Some(b"1"))));
        write(sink.as_mut(), batch).await;
    }
    sink.close().await;
    let read = stack.read("t").await;
    assert_eq!(read.len(), 2 * KEYS.len());
    let mut found: Vec<_> = (0..read.len())
        .map(|row| read.record(row))
        .map(|record| (std::str::from_utf8(record.key.unwrap()).unwrap(), record.partition))
        .collect();
    found.sort_unstable();
    found.dedup();
    let mut expected = KEYS;
    expected.sort_unstable();
    assert_eq!(found, expected);
    stack.end().await;
}

async fn nulls_and_headers_survive(stack: Stack) {
    let mut sink = open(&stack, 1).await;
    let mut blocks = Slices::default();
    let mut writer = HeaderWriter::new(&mut blocks);
    for (name, value) in [("b", Some(&b"1"[..])), ("a", None), ("b", Some(b"")), ("bytes", Some(b"\xff\0"))] {
        writer.push(name, value);
    }
    writer.finish();
    let headers = Headers::new(blocks.get(0));
    let (key, value) = (Some(&b"k\0\xff"[..]), Some(&b"v\0\xff"[..]));
    let made = [(key, value), (key, None), (None, value), (None, None), (Some(&b""[..]), Some(&b""[..]))];
    let mut batch = Batch::new("made".into());
    for (n, (key, value)) in made.into_iter().enumerate() {
        let headers = if n % 2 == 0 { headers } else { Headers::default() };
        batch.push(Record { headers, timestamp_ms: 1_700_000_000_000 + n as i64, ..record(key, value) });
    }
    write(sink.as_mut(), batch.clone()).await;
    sink.close().await;
    let read = stack.read("t").await;
    let seen = |batch: &Batch, row| {
        let Record { key, value, headers, timestamp_ms, .. } = batch.record(row);
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_vec(), owned(value))).collect();
        (owned(key), owned(value), headers, timestamp_ms)
    };
    assert_eq!(read.len(), made.len());
    for row in 0..made.len() {
        assert_eq!(seen(&read, row), seen(&batch, row), "record {row}");
    }
    stack.end().await;
}

async fn committed_positions_survive_reopening(stack: Stack) {
    let mut sink = open(&stack, PARTITIONS).await;
    write_numbers(sink.as_mut(), 0..100, 20).await;
    let mut reader = stack.reader("t", "g", Positions::default()).await;
    let first = drain(reader.as_mut(), &limits()).await;
    assert_eq!(first.len(), 100);
    reader.committer().commit(&first.positions()).await.unwrap();
    reader.close().await;

    write_numbers(sink.as_mut(), 100..130, 20).await;
    sink.close().await;
    let mut reader = stack.reader("t", "g", Positions::default()).await;
    let mut rest = numbers(&drain(reader.as_mut(), &limits()).await);
    rest.sort_unstable();
    assert_eq!(rest, (100..130).collect::<Vec<_>>(), "the group goes on where it was");
    reader.close().await;
    assert_eq!(stack.read("t").await.len(), 130, "another group begins at the start");
    stack.end().await;
}

async fn the_changelogs_position_goes_before_the_groups(stack: Stack) {
    let mut sink = open(&stack, 1).await;
    write_numbers(sink.as_mut(), 0..50, 1).await;
    sink.close().await;
    let at = |next| Positions::from_iter([(0, next)]);
    let mut reader = stack.reader("t", "g", Positions::default()).await;
    drain(reader.as_mut(), &limits()).await;
    reader.committer().commit(&at(20)).await.unwrap();
    reader.close().await;
    for (resume, first) in [(Positions::default(), 20), (at(35), 35), (at(50), 50)] {
        let mut reader = stack.reader("t", "g", resume).await;
        let rest = numbers(&drain(reader.as_mut(), &limits()).await);
        assert_eq!(rest, (first..50).collect::<Vec<_>>());
        reader.close().await;
    }
    stack.end().await;
}

async fn limits_make_several_batches(stack: Stack) {
    let mut sink = open(&stack, PARTITIONS).await;
    write_numbers(sink.as_mut(), 0..1_000, 37).await;
    sink.close().await;
    let limits = BatchLimits { records: 70, ..limits() };
    let mut reader = stack.reader("t", "", Positions::default()).await;
    let (mut read, mut batches, mut positions) = (Vec::new(), 0, Positions::default());
    while read.len() < 1_000 {
        let mut batch = Batch::new("none".into());
        let filled = tokio::time::timeout(TIMEOUT, reader.fill(&mut batch, &limits)).await.unwrap().unwrap();
        assert_ne!(filled, Filled::CaughtUp, "after {} records", read.len());
        if filled == Filled::Records {
            assert!((1..=70).contains(&batch.len()));
            batches += 1;
            positions.merge(&batch.positions());
            read.extend(numbers(&batch));
        }
    }
    read.sort_unstable();
    assert_eq!(read, (0..1_000).collect::<Vec<_>>());
    assert!(batches >= 15, "{batches}");
    assert_eq!(positions.iter().map(|(_, next)| next).sum::<i64>(), 1_000);
    let mut nothing = Batch::new("none".into());
    while tokio::time::timeout(TIMEOUT, reader.fill(&mut nothing, &limits)).await.unwrap().unwrap() != Filled::CaughtUp
    {
        assert!(nothing.is_empty());
    }
    reader.close().await;
    stack.end().await;
}

async fn large_values_survive(stack: Stack) {
    let mut sink = open(&stack, PARTITIONS).await;
    let value = |n: u32| -> Vec<u8> { (0..100_000_u32).map(|i| (i * 31 + n) as u8).collect() };
    let mut batch = Batch::new("made".into());
    for n in 0..40 {
        batch.push(record(Some(n.to_string().as_bytes()), Some(&value(n))));
    }
    write(sink.as_mut(), batch).await;
    sink.close().await;
    let read = stack.read("t").await;
    assert_eq!(read.len(), 40);
    for row in 0..read.len() {
        let record = read.record(row);
        let n = std::str::from_utf8(record.key.unwrap()).unwrap().parse().unwrap();
        assert!(record.value == Some(value(n).as_slice()), "value {n}");
    }
    stack.end().await;
}
