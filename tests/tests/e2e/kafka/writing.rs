//! What the sink acknowledges, what it refuses, and in which order.

use rdkafka::admin::{AlterConfig, ResourceSpecifier};

use super::*;

#[tokio::test]
async fn a_key_decides_the_partition_as_in_kafkas_own_clients() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(4).await;
    // Hashes from the tests of Kafka's own murmur2.
    let keys = [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)];
    for (key, _) in keys {
        topic.write(key, [key.to_owned()]).await;
    }
    let read = drain(&mut topic.reader(Positions::default()).await).await.unwrap();
    assert_eq!(read.len(), keys.len());
    for row in 0..read.len() {
        let key = texts(&read)[row].clone();
        let hash: i32 = keys.iter().find(|(known, _)| *known == key).unwrap().1;
        assert_eq!(read.partitions[row], (hash & i32::MAX) % 4, "{key}");
    }
    topic.delete().await;
}

#[tokio::test]
async fn rows_of_a_key_stay_in_order() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(4).await;
    let mut batch = Batch::new("made".into());
    for n in 0..5_000 {
        batch.push(record(Some(&format!("k{}", n % 10)), &format!("{n:05}")));
    }
    assert_eq!(write_all(&mut topic.writer().await, batch).await, []);
    let read = drain(&mut topic.reader(Positions::default()).await).await.unwrap();
    assert_eq!(read.len(), 5_000);
    for key in 0..10 {
        let key = format!("k{key}");
        let rows = (0..read.len()).filter(|row| read.keys.get(*row) == key.as_bytes());
        let values: Vec<&[u8]> = rows.map(|row| read.values.get(row)).collect();
        assert!(values.len() == 500 && values.is_sorted());
    }
    topic.delete().await;
}

#[tokio::test]
async fn only_the_rows_asked_for_are_written() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    let mut batch = Batch::new("made".into());
    ["a", "b", "c"].iter().for_each(|value| batch.push(record(None, value)));
    let batch = Arc::new(WriteBatch::whole(batch));
    let mut writer = topic.writer().await;
    assert_eq!(writer.write(&batch, &[]).await, []);
    assert_eq!(writer.write(&batch, &[0, 2]).await, []);
    Box::new(writer).close().await;
    assert_eq!(texts(&drain(&mut topic.reader(Positions::default()).await).await.unwrap()), ["a", "c"]);
    topic.delete().await;
}

#[tokio::test]
async fn a_row_that_is_too_large_fails_alone() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    let mut batch = Batch::new("made".into());
    let large = "x".repeat(2 << 20);
    ["a", &large, "b"].iter().for_each(|value| batch.push(record(Some("k"), value)));
    let failures = write_all(&mut topic.writer().await, batch).await;
    let seen: Vec<_> = failures.iter().map(|f| (f.row, f.retryable, f.code)).collect();
    assert_eq!(seen, [(1, false, "too_large")]);
    assert_eq!(texts(&drain(&mut topic.reader(Positions::default()).await).await.unwrap()), ["a", "b"]);
    topic.delete().await;
}

#[tokio::test]
async fn rows_refused_for_the_size_of_their_set_are_sent_alone_at_the_next_attempt() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(1).await;
    let mut writer = topic.writer().await;
    // The limit shrinks after the writer has asked for it.
    let change = AlterConfig::new(ResourceSpecifier::Topic(&topic.name)).set("max.message.bytes", "4000");
    topic.admin.alter_configs([&change], &options()).await.unwrap()[0].as_ref().unwrap();
    let mut batch = Batch::new("made".into());
    let (fits, large) = ("y".repeat(1_500), "x".repeat(5_000));
    [&fits, &fits, &large, &fits].iter().for_each(|value| batch.push(record(Some("k"), value)));
    let batch = Arc::new(WriteBatch::whole(batch));
    let mut rows: Vec<u32> = vec![0, 1, 2, 3];
    let failures = writer.write(&batch, &rows).await;
    assert!(!failures.is_empty() && failures.iter().all(|failure| failure.retryable), "{failures:?}");
    rows = failures.iter().map(|failure| failure.row).collect();
    let failures = writer.write(&batch, &rows).await;
    let seen: Vec<_> = failures.iter().map(|f| (f.row, f.retryable, f.code)).collect();
    assert_eq!(seen, [(2, false, "too_large")]);
    let read = drain(&mut topic.reader(Positions::default()).await).await.unwrap();
    assert_eq!(texts(&read), [fits.clone(), fits.clone(), fits]);
    topic.delete().await;
}
