//! Writes to a topic of Apache Kafka with an idempotent producer that waits for all replicas.
//!
//! In come rows, out go the rows that Kafka did not acknowledge. A row's key decides its partition as in Kafka's own
//! clients, its timestamp and headers are those of the record it came from. Rows with the same key end in batch
//! order, also when some had to be sent again (`failure.rs`). This never retries beyond one attempt's timeout;
//! within it, librdkafka does.

mod delivery;
mod failure;
mod topic;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer, ThreadedProducer},
};

use self::delivery::{Deliveries, Undelivered};
use super::{Failure, OpenContext, OpenError, Sink, WriteBatch};
use crate::{
    config::KafkaSink,
    kafka,
    record::{Headers, Record},
};

/// How long to wait when librdkafka's queue is full; it empties by a message set at a time.
const QUEUE_FULL: Duration = Duration::from_millis(2);

/// A batch is written as a whole and waited for, so a linger only has to let its rows meet: 1 ms wrote twice as many
/// records a second as 5 ms, at the same cost. The queue holds several batches.
const DEFAULTS: [(&str, &str); 4] = [
    ("linger.ms", "1"),
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.kbytes", "65536"),
    ("queue.buffering.max.messages", "100000"),
];

/// A topic being written.
pub struct KafkaWriter {
    url: String,
    topic: String,
    settings: ClientConfig,
    /// `None` after a fatal error, until the next write makes a new one.
    producer: Option<ThreadedProducer<Deliveries>>,
    /// Whether the next write sends its rows one at a time, because some were refused for the size of their set.
    alone: bool,
}

/// Makes sure that a broker answers and that the topic exists, and starts a producer.
pub async fn open(config: &KafkaSink, context: &OpenContext) -> Result<KafkaWriter, OpenError> {
    let error = |message: String, hint: Option<String>, retryable| OpenError {
        url: context.display.clone(),
        message,
        hint,
        retryable,
    };
    let timeout_ms = context.timeout.as_millis().max(1).to_string();
    let mut defaults = DEFAULTS.to_vec();
    defaults.push(("message.timeout.ms", &timeout_ms));
    let mut settings =
        kafka::settings(&config.brokers, &context.pipeline, &defaults, &config.options).map_err(|name| {
            error(format!("the option `{name}` is set by the host"), Some("remove it from `options`".to_owned()), false)
        })?;
    topic::ensure(&settings, &config.topic).await.map_err(|e| error(e.message, e.hint, e.retryable))?;
    if settings.get("message.max.bytes").is_none()
        && let Some(bytes) = topic::max_message_bytes(&settings, &config.topic).await
    {
        // librdkafka's own bounds.
        settings.set("message.max.bytes", bytes.clamp(1_000, 1_000_000_000).to_string());
    }
    settings.set("enable.idempotence", "true");
    settings.set("acks", "all");
    let mut writer = KafkaWriter {
        url: context.display.clone(),
        topic: config.topic.clone(),
        settings,
        producer: None,
        alone: false,
    };
    writer.start().map_err(|e| error(kafka::words(&e), None, false))?;
    Ok(writer)
}

impl KafkaWriter {
    fn start(&mut self) -> Result<&ThreadedProducer<Deliveries>, KafkaError> {
        match &mut self.producer {
            Some(producer) => Ok(producer),
            none => {
                let producer = self.settings.create_with_context(Deliveries::new(&self.url))?;
                Ok(none.insert(producer))
            }
        }
    }

    /// Gives up a producer that cannot go on; the next write makes a new one.
    async fn check_health(&mut self) {
        let fatal = self.producer.as_ref().and_then(|producer| producer.client().fatal_error());
        if let Some((code, reason)) = fatal {
            tracing::warn!(url = %self.url, %code, "kafka: the producer is replaced: {reason}");
            end(self.producer.take()).await;
        }
    }
}

impl Sink for KafkaWriter {
    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(async move {
            let alone = std::mem::take(&mut self.alone);
            let topic = self.topic.clone();
            let producer = match self.start() {
                Ok(producer) => producer,
                Err(error) => {
                    let failure = |row: &u32| Failure {
                        row: *row,
                        retryable: true,
                        code: "unavailable",
                        detail: kafka::words(&error),
                    };
                    return rows.iter().map(failure).collect();
                }
            };
            let mut failed = Vec::new();
            for rows in rows.chunks(if alone { 1 } else { rows.len().max(1) }) {
                failed.extend(attempt(producer, &topic, batch, rows).await);
            }
            self.alone = !alone && failure::needs_single(&failed);
            if !failed.is_empty() {
                self.check_health().await;
            }
            failure::failures(batch, rows, &failed, alone)
        })
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { end(self.producer.take()).await })
    }
}

/// Hands rows to librdkafka and waits until it has reported each.
async fn attempt(
    producer: &ThreadedProducer<Deliveries>,
    topic: &str,
    batch: &WriteBatch,
    rows: &[u32],
) -> Vec<Undelivered> {
    let deliveries = producer.client().context();
    let attempt = deliveries.begin(rows.len());
    for row in rows {
        let mut message = message(topic, batch.record(*row), Deliveries::number(attempt, *row));
        while let Err((error, back)) = producer.send(message) {
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => {
                    message = back;
                    tokio::time::sleep(QUEUE_FULL).await;
                }
                code => {
                    deliveries.refuse(attempt, *row, code.unwrap_or(RDKafkaErrorCode::Fail));
                    break;
                }
            }
        }
    }
    loop {
        if let Some(failed) = deliveries.result() {
            return failed;
        }
        deliveries.done.notified().await;
    }
}

fn message<'a>(topic: &'a str, record: Record<'a>, number: usize) -> BaseRecord<'a, [u8], [u8], usize> {
    BaseRecord {
        topic,
        partition: None,
        payload: record.value,
        key: record.key,
        // Without one, the time of sending.
        timestamp: Some(record.timestamp_ms).filter(|timestamp| *timestamp > 0),
        headers: (!record.headers.is_empty()).then(|| owned(record.headers)),
        delivery_opaque: number,
    }
}

fn owned(headers: Headers<'_>) -> OwnedHeaders {
    headers.fold(OwnedHeaders::new(), |headers, (name, value)| {
        headers.insert(Header { key: &String::from_utf8_lossy(name), value })
    })
}

/// Ends a producer away from the runtime: it waits for its thread.
async fn end(producer: Option<ThreadedProducer<Deliveries>>) {
    if tokio::task::spawn_blocking(move || drop(producer)).await.is_err() {
        tracing::debug!("kafka: a producer ended in disorder");
    }
}
