//! Dead letters: the original bytes and the reason, to a topic.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};

const QUEUE_FULL: Duration = Duration::from_millis(5);
const FLUSH: Duration = Duration::from_secs(60);

/// A producer for a topic.
pub struct Topic {
    name: String,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl Topic {
    pub fn new(brokers: &str, name: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("linger.ms", "5").set("log_level", "0");
        Ok(Self { name: name.to_owned(), producer: config.create().context("cannot start a producer")? })
    }

    pub fn reject(&self, value: &[u8], reason: &str, stage: &str, (partition, offset): (i32, i64)) -> Result<()> {
        let (partition, offset) = (partition.to_string(), offset.to_string());
        let headers = [("stage", stage), ("reason", reason), ("partition", &partition), ("offset", &offset)]
            .into_iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        self.send(BaseRecord::<str, [u8]>::to(&self.name).payload(value).headers(headers))
    }

    pub fn write(&self, key: &str, value: &[u8]) -> Result<()> {
        self.send(BaseRecord::to(&self.name).key(key).payload(value))
    }

    pub fn flush(&self) -> Result<()> {
        self.producer.flush(FLUSH).with_context(|| format!("{} does not take all records", self.name))
    }

    fn send(&self, record: BaseRecord<'_, str, [u8]>) -> Result<()> {
        let mut record = record;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(QUEUE_FULL);
                }
                Err((error, _)) => return Err(error).with_context(|| format!("cannot write to {}", self.name)),
            }
        }
    }
}
