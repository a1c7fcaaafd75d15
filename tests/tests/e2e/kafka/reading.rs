//! Where reading begins, what a record looks like, and when everything has been read.

use rdkafka::{
    Offset, TopicPartitionList,
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::*;

fn at(next: i64) -> Positions {
    [(0, next)].into_iter().collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// Commits this position for the test's group, as a member would.
async fn commit(topic: &Topic, next: i64) {
    let reader = topic.reader(Positions::default()).await;
    let mut reader = Box::new(reader);
    drain(&mut reader).await.unwrap();
    reader.committer().commit(&at(next)).await.unwrap();
    reader.close().await;
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_written() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    let blocks = headers(&[("a", Some(b"1")), ("b", None), ("a", Some(b""))]);
    let full =
        Record { headers: Headers::new(blocks.get(0)), timestamp_ms: 1_700_000_000_123, ..record(Some("k"), "v") };
    let mut batch = Batch::new("made".into());
    batch.push(full);
    batch.push(Record { key: None, value: None, ..full });
    batch.push(Record { headers: Headers::default(), ..record(Some(""), "") });
    assert_eq!(write_all(&mut topic.writer().await, batch).await, []);
    let mut reader = topic.reader(Positions::default()).await;
    let read = drain(&mut reader).await.unwrap();
    assert_eq!(reader.lag(), Some(0));
    let records: Vec<_> = (0..read.len()).map(|row| read.record(row)).collect();
    let seen: Vec<_> = records.iter().map(|r| (r.key, r.value, r.offset)).collect();
    let (key, value) = (Some(&b"k"[..]), Some(&b"v"[..]));
    assert_eq!(seen, [(key, value, 0), (None, None, 1), (Some(&b""[..]), Some(&b""[..]), 2)]);
    assert_eq!(records[0].timestamp_ms, 1_700_000_000_123);
    assert_eq!(records[1].headers.collect::<Vec<_>>(), Headers::new(blocks.get(0)).collect::<Vec<_>>());
    assert!(records[2].headers.is_empty() && records[2].timestamp_ms > 1_700_000_000_123);
    topic.delete().await;
}

#[tokio::test]
async fn begins_at_the_larger_of_changelog_and_group() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    topic.write("k", numbers(0..10)).await;
    commit(&topic, 4).await;
    for (resume, first) in [(None, 4), (Some(2), 4), (Some(7), 7), (Some(10), 10)] {
        let resume = resume.map(at).unwrap_or_default();
        let mut reader = topic.reader(resume).await;
        assert_eq!(texts(&drain(&mut reader).await.unwrap()), numbers(first..10));
        Box::new(reader).close().await;
    }
    topic.delete().await;
}

#[tokio::test]
async fn latest_begins_with_what_arrives_from_now_on() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    topic.write("k", numbers(0..5)).await;
    let mut reader = open(&KafkaSource { start: Start::Latest, ..topic.source() }, Positions::default()).await.unwrap();
    assert!(drain(&mut reader).await.unwrap().is_empty());
    topic.write("k", numbers(5..8)).await;
    assert_eq!(texts(&drain(&mut reader).await.unwrap()), numbers(5..8));
    topic.delete().await;
}

#[tokio::test]
async fn a_changelog_that_is_behind_never_sets_the_group_back() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    topic.write("k", numbers(0..10)).await;
    commit(&topic, 8).await;
    let mut reader = topic.reader(at(3)).await;
    assert_eq!(texts(&drain(&mut reader).await.unwrap()), numbers(8..10));
    reader.committer().commit(&at(5)).await.unwrap();
    Box::new(reader).close().await;
    let mut reader = topic.reader(Positions::default()).await;
    assert_eq!(texts(&drain(&mut reader).await.unwrap()), numbers(8..10));
    topic.delete().await;
}

#[tokio::test]
async fn latest_keeps_its_beginning_over_a_restart() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    topic.write("k", numbers(0..5)).await;
    let latest = KafkaSource { start: Start::Latest, ..topic.source() };
    let mut reader = open(&latest, Positions::default()).await.unwrap();
    assert!(drain(&mut reader).await.unwrap().is_empty());
    Box::new(reader).close().await;
    topic.write("k", numbers(5..7)).await;
    let mut reader = open(&latest, Positions::default()).await.unwrap();
    assert_eq!(texts(&drain(&mut reader).await.unwrap()), numbers(5..7));
    topic.delete().await;
}

#[tokio::test]
async fn a_position_beyond_the_end_is_an_error_and_no_reset() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    topic.write("k", numbers(0..5)).await;
    let mut reader = topic.reader(at(500)).await;
    for _ in 0..2 {
        let error = drain(&mut reader).await.err().unwrap();
        assert!(!error.retryable);
        let words = error.to_string();
        let named = format!("topic `{}` partition 0: the position to go on from is offset 500", topic.name);
        assert!(words.contains(&named) && words.contains("ends at offset 5"), "{words}");
    }
    topic.delete().await;
}

#[tokio::test]
async fn goes_on_with_the_oldest_record_left_where_some_expired() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    topic.write("k", numbers(0..10)).await;
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&topic.name, 0, Offset::Offset(6)).unwrap();
    topic.admin.delete_records(&before, &options()).await.unwrap();
    let mut reader = topic.reader(at(2)).await;
    assert_eq!(texts(&drain(&mut reader).await.unwrap()), numbers(6..10));
    topic.delete().await;
}

#[tokio::test]
async fn a_topic_created_again_while_it_is_read_is_an_error() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    topic.write("k", numbers(0..10)).await;
    let mut reader = topic.reader(Positions::default()).await;
    assert_eq!(drain(&mut reader).await.unwrap().len(), 10);
    topic.delete().await;
    let topic = topic.create(1).await;
    topic.write("k", numbers(0..3)).await;
    let error = loop {
        match drain(&mut reader).await {
            Ok(read) => assert!(read.is_empty(), "records of the new topic were taken for the old one's"),
            Err(error) => break error,
        }
    };
    assert!(!error.retryable && error.to_string().contains("offset 10"), "{error}");
    topic.delete().await;
}

#[tokio::test]
async fn batches_keep_to_the_limits_and_to_the_order() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    topic.write("k", numbers(0..2_000)).await;
    let mut reader = topic.reader(Positions::default()).await;
    let mut read = Vec::new();
    // What was made for the first limits is still handed out by the later ones.
    for records in [1_000, 7, 500, 300] {
        let limits = BatchLimits { records, ..limits() };
        let mut batch = Batch::new("none".into());
        while reader.fill(&mut batch, &limits).await.unwrap() != Filled::Records {}
        assert!(batch.len() <= records);
        read.extend(texts(&batch));
    }
    let lag = reader.lag().unwrap();
    let rest = texts(&drain(&mut reader).await.unwrap());
    assert_eq!(lag, rest.len() as u64);
    read.extend(rest);
    assert_eq!(read, numbers(0..2_000));
    topic.delete().await;
}

#[tokio::test]
async fn a_batch_is_bounded_in_bytes_and_a_larger_record_stands_alone() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    topic.write("k", [10, 10, 5_000, 10].map(|len| "x".repeat(len))).await;
    let mut reader = topic.reader(Positions::default()).await;
    let limits = BatchLimits { bytes: 100, ..limits() };
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 4 {
        let mut batch = Batch::new("none".into());
        if reader.fill(&mut batch, &limits).await.unwrap() == Filled::Records {
            sizes.push(batch.len());
        }
    }
    assert_eq!(sizes, [2, 1, 1]);
    topic.delete().await;
}

#[tokio::test]
async fn the_marks_of_transactions_are_neither_records_nor_waited_for() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    let (name, brokers) = (topic.name.clone(), topic.brokers.clone());
    let written = tokio::task::spawn_blocking(move || {
        let patience = Duration::from_secs(20);
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", brokers).set("transactional.id", &name).create().unwrap();
        producer.init_transactions(patience).unwrap();
        for (value, keep) in [("kept", true), ("undone", false)] {
            producer.begin_transaction().unwrap();
            producer.send(BaseRecord::<(), str>::to(&name).payload(value)).unwrap();
            producer.flush(patience).unwrap();
            let ended = if keep { producer.commit_transaction(patience) } else { producer.abort_transaction(patience) };
            ended.unwrap();
        }
    });
    written.await.unwrap();
    let mut reader = topic.reader(Positions::default()).await;
    assert_eq!(texts(&drain(&mut reader).await.unwrap()), ["kept"]);
    assert_eq!(reader.lag(), Some(0));
    topic.delete().await;
}
