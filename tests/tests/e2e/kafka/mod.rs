//! The source and the sink for Apache Kafka against a real broker (`MILLSTREAM_KAFKA`).

mod opening;
mod reading;
mod rebalance;
mod state;
mod writing;

use std::{sync::Arc, time::Duration};

use millstream::{
    config::{KafkaSink, KafkaSource, Start},
    record::{Batch, HeaderWriter, Headers, Positions, Record, Slices},
    sink::{self, Failure, Sink, WriteBatch, kafka::KafkaWriter},
    source::{self, BatchLimits, Filled, Source, SourceError, kafka::KafkaReader},
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

/// A topic of its own for one test, with a group to read it.
struct Topic {
    brokers: String,
    name: String,
    admin: AdminClient<DefaultClientContext>,
}

impl Topic {
    /// A name that nobody uses; `None` where there is no broker.
    fn named() -> Option<Self> {
        let brokers = millstream_tests::service("kafka")?;
        let name = format!("millstream-e2e-{}", uuid::Uuid::new_v4());
        let admin = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        Some(Self { brokers, name, admin })
    }

    async fn create(self, partitions: i32) -> Self {
        let topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        for result in self.admin.create_topics([&topic], &options()).await.unwrap() {
            result.unwrap();
        }
        self
    }

    async fn delete(&self) {
        for result in self.admin.delete_topics(&[&self.name], &options()).await.unwrap() {
            result.unwrap();
        }
    }

    async fn writer(&self) -> KafkaWriter {
        sink::kafka::open(&self.sink(), &sink_context()).await.unwrap()
    }

    fn sink(&self) -> KafkaSink {
        KafkaSink { brokers: self.brokers.clone(), topic: self.name.clone(), options: Vec::new() }
    }

    fn source(&self) -> KafkaSource {
        KafkaSource {
            brokers: self.brokers.clone(),
            topic: self.name.clone(),
            group: self.name.clone(),
            start: Start::Earliest,
            instance: None,
            options: Vec::new(),
        }
    }

    async fn reader(&self, resume: Positions) -> KafkaReader {
        open(&self.source(), resume).await.unwrap()
    }

    /// Writes values, all with this key.
    async fn write(&self, key: &str, values: impl IntoIterator<Item = String>) {
        let mut batch = Batch::new("made".into());
        for value in values {
            batch.push(record(Some(key), &value));
        }
        assert_eq!(write_all(&mut self.writer().await, batch).await, []);
    }
}

async fn open(config: &KafkaSource, resume: Positions) -> Result<KafkaReader, SourceError> {
    let display = format!("kafka://{}/{}", config.brokers, config.topic);
    let context =
        source::OpenContext { pipeline: "e2e".into(), display, data_dir: "unused".into(), resume, custodian: None };
    source::kafka::open(config, &context).await
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)))
}

fn sink_context() -> sink::OpenContext {
    sink::OpenContext {
        pipeline: "e2e".into(),
        display: "kafka://broker/topic".to_owned(),
        data_dir: "unused".into(),
        dead_letters: false,
        timeout: Duration::from_secs(20),
    }
}

fn record<'a>(key: Option<&'a str>, value: &'a str) -> Record<'a> {
    Record {
        key: key.map(str::as_bytes),
        value: Some(value.as_bytes()),
        headers: Headers::default(),
        timestamp_ms: -1,
        partition: 0,
        offset: 0,
    }
}

fn limits() -> BatchLimits {
    let (linger, idle) = (Duration::from_millis(5), Duration::from_millis(200));
    BatchLimits { records: 1024, bytes: 1 << 20, linger, idle }
}

async fn write_all(writer: &mut KafkaWriter, batch: Batch) -> Vec<Failure> {
    let batch = Arc::new(WriteBatch::whole(batch));
    let rows: Vec<u32> = (0..batch.len() as u32).collect();
    writer.write(&batch, &rows).await
}

/// Reads until everything has been read, at most for half a minute, and returns it as one batch.
async fn drain(reader: &mut KafkaReader) -> Result<Batch, SourceError> {
    let read = async {
        let mut all = Batch::new("all".into());
        loop {
            let mut batch = Batch::new("none".into());
            match reader.fill(&mut batch, &limits()).await? {
                Filled::Records => (0..batch.len()).for_each(|row| all.push(batch.record(row))),
                Filled::CaughtUp => return Ok(all),
                Filled::Idle => {}
                Filled::End | Filled::Lost => panic!("a topic has no end, and this reader no pipeline"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("the topic was not read to its end in time")
}

fn texts(batch: &Batch) -> Vec<String> {
    (0..batch.len()).map(|row| String::from_utf8(batch.values.get(row).to_vec()).unwrap()).collect()
}

fn headers(pairs: &[(&str, Option<&[u8]>)]) -> Slices {
    let mut blocks = Slices::default();
    let mut writer = HeaderWriter::new(&mut blocks);
    pairs.iter().for_each(|(name, value)| writer.push(name, *value));
    writer.finish();
    blocks
}
