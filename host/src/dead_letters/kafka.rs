//! The look at a topic of Apache Kafka: a consumer without a group, on a thread of its own.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _},
};
use tokio::sync::mpsc;

use super::{
    ScanError,
    scan::{BYTES, RECORDS},
};
use crate::{
    config::KafkaSink,
    kafka::{self, BrokerLog, Quiet},
    record::{Batch, HeaderWriter, Positions},
};

/// Batches that are read ahead.
const AHEAD: usize = 2;
/// How long a wait for a message lasts before the consumer's position is looked at.
const POLL: Duration = Duration::from_millis(100);
/// Without a message for that long the broker is taken to be away.
const STALL: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct KafkaScan {
    ends: Positions,
    batches: mpsc::Receiver<Result<Batch, ScanError>>,
}

impl KafkaScan {
    /// Asks where the topic begins and ends, and begins to read. A topic that does not exist is empty.
    pub(super) async fn open(config: &KafkaSink, pipeline: &str, url: &str) -> Result<Self, ScanError> {
        let error = |message: String, hint: Option<String>| ScanError { url: url.to_owned(), message, hint };
        let settings = kafka::settings(&config.brokers, pipeline, &[], &config.options).map_err(|name| {
            error(format!("the option `{name}` is set by the host"), Some("remove it from `options`".to_owned()))
        })?;
        let (topic, asking) = (config.topic.clone(), settings.clone());
        let asked = tokio::task::spawn_blocking(move || interval(&asking, &topic)).await;
        let asked = asked.map_err(|stopped| error(format!("asking for its ends was stopped: {stopped}"), None))?;
        let (begins, ends) = asked.map_err(|unreachable| error(unreachable.message, unreachable.hint))?;
        let (send, batches) = mpsc::channel(AHEAD);
        let reading = Reading { settings, topic: config.topic.clone(), url: url.to_owned(), ends: ends.clone() };
        let thread = std::thread::Builder::new().name(format!("letters-{pipeline}"));
        let started = thread.spawn(move || {
            if let Err(error) = reading.read(begins, &send) {
                // Nobody may be listening any more.
                let _ = send.blocking_send(Err(error));
            }
        });
        started.map_err(|e| error(format!("cannot start the reading thread: {e}"), None))?;
        Ok(Self { ends: ends.into_iter().collect(), batches })
    }

    pub(super) fn ends(&self) -> &Positions {
        &self.ends
    }

    pub(super) async fn next(&mut self) -> Result<Option<Batch>, ScanError> {
        self.batches.recv().await.transpose()
    }
}

type Offsets = BTreeMap<i32, i64>;

/// The first offset of each partition and the one behind the last.
fn interval(settings: &ClientConfig, topic: &str) -> Result<(Offsets, Offsets), kafka::Unreachable> {
    let asker = kafka::Asker::new(settings)?;
    let Some(partitions) = asker.partitions(topic)? else { return Ok(Default::default()) };
    let partitions: Vec<i32> = (0..partitions as i32).collect();
    let ask = |which| {
        asker.offsets(topic, &partitions, which, kafka::PATIENCE).map_err(|code| kafka::Unreachable {
            message: format!("cannot ask for the ends of topic `{topic}`: {code}"),
            hint: None,
            retryable: true,
        })
    };
    Ok((ask(Offset::Beginning)?, ask(Offset::End)?))
}

struct Reading {
    settings: ClientConfig,
    topic: String,
    url: String,
    ends: Offsets,
}

impl Reading {
    fn read(&self, mut next: Offsets, to: &mpsc::Sender<Result<Batch, ScanError>>) -> Result<(), ScanError> {
        let failed = |error: KafkaError| self.error(format!("cannot read: {}", kafka::words(&error)));
        let consumer = self.consumer(&next).map_err(failed)?;
        let mut batch = Batch::new(self.topic.as_str().into());
        let mut heard = Instant::now();
        loop {
            let done = self.ends.iter().all(|(partition, end)| next.get(partition).is_none_or(|next| next >= end));
            let full = batch.len() >= RECORDS || batch.bytes() >= BYTES;
            if (done || full) && !batch.is_empty() {
                let whole = std::mem::replace(&mut batch, Batch::new(self.topic.as_str().into()));
                if to.blocking_send(Ok(whole)).is_err() {
                    return Ok(());
                }
                heard = Instant::now();
            }
            if done {
                return Ok(());
            }
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    next.insert(message.partition(), message.offset() + 1);
                    if self.ends.get(&message.partition()).is_some_and(|end| message.offset() < *end) {
                        push(&mut batch, &message);
                    }
                }
                Some(Err(error)) if error.rdkafka_error_code().is_some_and(kafka::is_refusal) => {
                    return Err(failed(error));
                }
                // What is waited for may be marks of transactions, which are no messages.
                _ => {
                    for element in consumer.position().map_err(failed)?.elements() {
                        if let (Some(next), Offset::Offset(at)) = (next.get_mut(&element.partition()), element.offset())
                        {
                            *next = at.max(*next);
                        }
                    }
                    if heard.elapsed() >= STALL {
                        return Err(self.error(format!("no message arrived within {STALL:?}")));
                    }
                }
            }
        }
    }

    fn consumer(&self, begins: &Offsets) -> Result<BaseConsumer<Quiet>, KafkaError> {
        let mut settings = self.settings.clone();
        settings.set("group.id", "millstream-letters"); // asked for by librdkafka; nothing is committed to it
        settings.set("enable.auto.commit", "false");
        settings.set("auto.offset.reset", "earliest");
        kafka::bound_fetching(&mut settings);
        let consumer: BaseConsumer<Quiet> = settings.create_with_context(Quiet(BrokerLog::new(&self.url)))?;
        let mut list = TopicPartitionList::new();
        for (partition, begin) in begins {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*begin))?;
        }
        consumer.assign(&list)?;
        Ok(consumer)
    }

    fn error(&self, message: String) -> ScanError {
        let hint = Some("check that the broker runs and can be reached from here".to_owned());
        ScanError { url: self.url.clone(), message, hint }
    }
}

fn push(batch: &mut Batch, message: &BorrowedMessage<'_>) {
    batch.values.push_opt(message.payload());
    batch.keys.push_opt(message.key());
    let mut headers = HeaderWriter::new(&mut batch.headers);
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        headers.push(header.key, header.value);
    }
    headers.finish();
    batch.timestamps.push(message.timestamp().to_millis().unwrap_or(-1));
    batch.partitions.push(message.partition());
    batch.offsets.push(message.offset());
}
