//! A changelog in a topic of Apache Kafka, so that state moves with the partitions of its source from host to host.
//!
//! The topic has a partition for each of the source. A host that takes a partition over first writes a *claim* into
//! its changelog, then reads the changelog up to that claim. From then on each of its frames names the claim; frames
//! that name an older one, of a host that does not know yet that it lost the partition, are passed over by all who read
//! (`message.rs`). Every frame holds position and totals in full, so the last one alone says where to resume.

mod admin;
mod message;
mod restore;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{FutureProducer, FutureRecord, Producer},
    util::Timeout,
};

use self::message::Kind;
use super::{Seconds, StageState, Totals, Writes, frame::FrameWriter};
use crate::{
    config::TopicState,
    kafka::{self, BrokerLog, Quiet},
    record::{Positions, Replay},
};

/// How long one attempt to append may take before it is reported; it is then made again.
const APPEND_MS: &str = "10000";
/// The largest frame. A batch of the largest allowed size, with its keys, stays below.
const MAX_FRAME_BYTES: &str = "67108864";

const DEFAULTS: [(&str, &str); 3] =
    [("linger.ms", "0"), ("message.timeout.ms", APPEND_MS), ("message.max.bytes", MAX_FRAME_BYTES)];

/// Why a changelog in a topic cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("state `{url}`: {message}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct TopicError {
    /// The topic.
    pub url: String,
    /// What was attempted and what came of it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether trying again may help.
    pub retryable: bool,
}

/// A partition that is ours, as its changelog says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// Partition of the source, and of the changelog.
    pub partition: i32,
    /// Offset of our claim.
    pub claim: i64,
    /// Offset of the last message that we appended.
    pub at: i64,
    /// Sequence number of the last frame.
    pub seq: u64,
    /// The next offset of the source to read; `None` where nothing was committed yet.
    pub next: Option<i64>,
    /// What became of the partition's records since the pipeline first ran, on whichever host.
    pub totals: Totals,
    /// What may have been written after the last commit.
    pub replay: Replay,
}

impl Owned {
    /// As it is after one more commit.
    pub fn after(&self, added: &Totals, next: Option<i64>) -> Self {
        let mut after = Self { seq: self.seq + 1, next: next.or(self.next), ..self.clone() };
        after.totals.add(added);
        after.replay.committed(&after.positions());
        after
    }

    fn positions(&self) -> Positions {
        self.next.map(|next| (self.partition, next)).into_iter().collect()
    }
}

/// See the module.
pub struct TopicLog {
    url: String,
    topic: String,
    settings: ClientConfig,
    producer: Mutex<FutureProducer<Quiet>>,
    runtime: tokio::runtime::Handle,
    /// Entries older than that are not read; `None` where some live for ever.
    longest_ttl_s: Option<Seconds>,
    /// The versions under which each stage's entries were written, as far as they were seen.
    versions: Mutex<BTreeSet<(String, u32)>>,
}

impl TopicLog {
    /// Makes sure that the topic is there, with `partitions` partitions and the right settings.
    pub async fn open(
        config: &TopicState,
        pipeline: &str,
        partitions: usize,
        stages: &BTreeMap<String, StageState>,
    ) -> Result<Self, TopicError> {
        let url = config.display.clone();
        let error = |message: String, hint: Option<&str>, retryable| TopicError {
            url: url.clone(),
            message,
            hint: hint.map(str::to_owned),
            retryable,
        };
        let settings = kafka::settings(&config.brokers, pipeline, &DEFAULTS, &config.options).map_err(|name| {
            error(format!("the option `{name}` is set by the host"), Some("remove it from `options`"), false)
        })?;
        let longest_ttl_s =
            stages.values().map(StageState::longest_ttl_s).try_fold(0, |longest, ttl| ttl.map(|ttl| longest.max(ttl)));
        admin::ensure(&settings, config, partitions, longest_ttl_s).await?;
        let producer = produce(&settings, &url).map_err(|e| error(kafka::words(&e), None, false))?.into();
        let runtime = tokio::runtime::Handle::current();
        let (topic, versions) = (config.topic.clone(), Mutex::default());
        Ok(Self { url, topic, settings, producer, runtime, longest_ttl_s, versions })
    }

    /// Entries of these versions of stages are in the topic.
    pub fn keeps(&self, versions: &BTreeMap<String, u32>) {
        let mut known = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(versions.iter().map(|(stage, version)| (stage.clone(), *version)));
    }

    /// The versions of stages of which entries may be in the topic, `running` included.
    pub fn kept(&self, running: &BTreeMap<String, u32>) -> BTreeSet<(String, u32)> {
        self.keeps(running);
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One commit of one partition as a message; its sequence number must be a new one. `ours` says whether the writes of a record are part of it.
    pub fn frame(
        &self,
        owned: &Owned,
        writes: &[(&str, &Writes)],
        ours: &dyn Fn(u32) -> bool,
        time_ms: i64,
    ) -> Vec<u8> {
        let mut bytes = message::head(Kind::Frame, owned.claim);
        let mut frame = FrameWriter::new(&mut bytes, owned.seq, time_ms);
        frame.positions(&owned.positions());
        frame.totals(&owned.totals, &Totals::default());
        frame.intents(&owned.replay);
        let mut next = 0..;
        for (stage, writes) in writes.iter().filter(|(_, writes)| !writes.ops.is_empty()) {
            frame.version(stage, writes.version, false);
            // Named in each message, so that any can be the first that is read.
            let ids: Vec<u16> = next.by_ref().take(writes.stores.len()).collect();
            for (id, store) in ids.iter().zip(writes.stores.iter()) {
                frame.store(*id, stage, store);
            }
            frame.writes(&ids, writes, ours);
        }
        frame.finish();
        bytes
    }

    /// Appends a frame for each of these partitions, as [`Self::append`] does. Returns the partition, if any, that another
    /// host has claimed since: nothing that is appended there counts any more.
    pub async fn append_frames(
        &self,
        owned: &mut [Owned],
        frames: Vec<Vec<u8>>,
        time_ms: i64,
    ) -> Result<Option<i32>, TopicError> {
        let messages = owned.iter().map(|owned| owned.partition).zip(frames).collect();
        let offsets = self.append(messages, time_ms).await?;
        for (owned, offset) in owned.iter_mut().zip(offsets) {
            // Between them may be a late frame of another host, or one of ours that was not acknowledged in time.
            let after = std::mem::replace(&mut owned.at, offset);
            let claimed = || self.claimed_between(owned.partition, after, offset);
            if offset != after + 1 && tokio::task::block_in_place(claimed)? {
                return Ok(Some(owned.partition));
            }
        }
        Ok(None)
    }

    /// Appends a message to each partition, and returns once all replicas have all of them. What failed may be
    /// appended again as a whole: a frame that is there twice counts once.
    pub async fn append(&self, messages: Vec<(i32, Vec<u8>)>, time_ms: i64) -> Result<Vec<i64>, TopicError> {
        let producer = self.producer()?;
        let sent = messages.iter().map(|(partition, bytes)| {
            let record: FutureRecord<'_, (), [u8]> =
                FutureRecord::to(&self.topic).partition(*partition).payload(bytes.as_slice()).timestamp(time_ms);
            producer.send(record, Timeout::Never)
        });
        let sent = join_all(sent).await;
        sent.into_iter()
            .map(|sent| sent.map(|delivery| delivery.offset).map_err(|(error, _)| self.not_appended(&error)))
            .collect()
    }

    /// The producer; another one after an error that it cannot go on after.
    fn producer(&self) -> Result<FutureProducer<Quiet>, TopicError> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, reason)) = producer.client().fatal_error() {
            tracing::warn!(state = %self.url, %code, "kafka: the producer is replaced: {reason}");
            *producer = produce(&self.settings, &self.url).map_err(|e| self.error(kafka::words(&e), None, true))?;
        }
        Ok(producer.clone())
    }

    /// A commit of a partition that was never taken over: a fault of the host.
    pub fn not_ours(&self, partition: i32) -> TopicError {
        self.error(format!("partition {partition} was read without being taken over; please report this"), None, false)
    }

    fn not_appended(&self, error: &KafkaError) -> TopicError {
        let code = error.rdkafka_error_code();
        let too_large = code == Some(RDKafkaErrorCode::MessageSizeTooLarge);
        let hint = too_large.then_some("make batches smaller, by `batch_records` or `batch_bytes`");
        let retryable = !too_large && !code.is_some_and(kafka::is_refusal);
        self.error(format!("cannot append: {}", kafka::words(error)), hint, retryable)
    }

    /// One whose broker never answers.
    #[cfg(test)]
    pub(crate) fn without_broker() -> Self {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", "127.0.0.1:1").set("log_level", "0").set("message.timeout.ms", "200");
        let (runtime, topic) = (tokio::runtime::Handle::current(), "state".to_owned());
        let producer = produce(&settings, "").unwrap_or_else(|error| unreachable!("{error}")).into();
        let (url, longest_ttl_s, versions) = ("kafka://127.0.0.1:1/state".to_owned(), None, Mutex::default());
        Self { url, topic, settings, producer, runtime, longest_ttl_s, versions }
    }

    fn error(&self, message: String, hint: Option<&str>, retryable: bool) -> TopicError {
        TopicError { url: self.url.clone(), message, hint: hint.map(str::to_owned), retryable }
    }
}

/// A producer that never writes twice and waits for all replicas.
fn produce(settings: &ClientConfig, url: &str) -> Result<FutureProducer<Quiet>, KafkaError> {
    let mut settings = settings.clone();
    settings.set("enable.idempotence", "true").set("acks", "all");
    settings.create_with_context(Quiet(BrokerLog::new(url)))
}

/// How long a question to the broker may take.
const ASK: Duration = Duration::from_secs(10);

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rdkafka::{bindings::rd_kafka_test_fatal_error, types::RDKafkaRespErr};

    use super::*;

    #[tokio::test]
    async fn a_producer_that_cannot_go_on_is_replaced() {
        let log = TopicLog::without_broker();
        let broken = log.producer().unwrap();
        let (code, reason) = (RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, c"as told");
        // SAFETY: the client is alive, and copies the text.
        unsafe { rd_kafka_test_fatal_error(broken.client().native_ptr(), code, reason.as_ptr()) };
        assert!(broken.client().fatal_error().is_some());
        assert!(log.producer().unwrap().client().fatal_error().is_none());
    }
}
