//! Reads a topic of Apache Kafka as a member of a consumer group.
//!
//! A thread of its own reads (`reader.rs`) and hands full batches over (`handover.rs`); `fill` only takes them. Where
//! a partition is read from is decided here, not by the group alone: the larger of the changelog's and the group's
//! position, or the changelog's alone where state moves with its partition (`custody.rs`). Commits to the group are
//! hints, sent by the thread. Nothing is ever read past a position in silence.

mod assignment;
mod context;
mod custody;
mod handover;
mod queue;
mod reader;
mod start;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

use self::{
    context::ReaderContext,
    handover::{Fault, Handover, Ready, Taken},
};
use super::{BatchLimits, Committer, Filled, OpenContext, Source, SourceError};
use crate::{
    config::KafkaSource,
    kafka,
    record::{Batch, Positions},
};

/// Longest time that leaving the group may take before the host goes on without waiting. In the middle of a rebalance
/// it can take the coordinator's time; an orderly stop has less.
const CLOSE: Duration = Duration::from_millis(800);

/// The session is short so that the partitions of a host that died are read on soon, and longer than a broker takes to start
/// anew: a session that ends meanwhile costs the group a rebalance, and this host what it had read.
const DEFAULTS: [(&str, &str); 3] =
    [("fetch.message.max.bytes", "1048576"), ("session.timeout.ms", "20000"), ("statistics.interval.ms", "0")];

/// A topic being read.
pub struct KafkaReader {
    url: String,
    handover: Arc<Handover>,
    /// A batch that was larger than the limits, and its first row that was not returned.
    rest: Option<(Box<Ready>, usize)>,
    /// Next offset of every partition once all that `fill` returned is handled.
    reached: BTreeMap<i32, i64>,
    /// Whether the last call said so; the next one then waits before it says it again.
    caught_up: bool,
    ended: Option<oneshot::Receiver<()>>,
}

/// Joins the group and begins to read. Fails where no broker answers, or where the topic is missing.
pub async fn open(config: &KafkaSource, context: &OpenContext) -> Result<KafkaReader, SourceError> {
    let error = |message: String, hint: Option<String>, retryable| SourceError {
        url: context.display.clone(),
        message,
        hint,
        retryable,
        retry_in: None,
    };
    let mut settings =
        kafka::settings(&config.brokers, &context.pipeline, &DEFAULTS, &config.options).map_err(|name| {
            error(format!("the option `{name}` is set by the host"), Some("remove it from `options`".to_owned()), false)
        })?;
    let ours = [
        ("group.id", config.group.as_str()),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // librdkafka counts such an event as a record that was read, and leaves the next one out after a rebalance.
        ("enable.partition.eof", "false"),
        // Never a silent reset: a position that is gone comes back as an error.
        ("auto.offset.reset", "error"),
        ("partition.assignment.strategy", "cooperative-sticky"),
    ];
    for (name, value) in ours {
        settings.set(name, value);
    }
    kafka::bound_fetching(&mut settings);
    if let Some(instance) = config.instance.clone().or_else(|| instance(context)) {
        settings.set("group.instance.id", instance);
    }
    let (topic, url) = (config.topic.clone(), context.display.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let unreachable = |e: kafka::Unreachable| (e.message, e.hint, e.retryable);
        let asker = kafka::Asker::new(&settings).map_err(unreachable)?;
        if asker.partitions(&topic).map_err(unreachable)?.is_none() {
            let hint = "create it or let a sink create it".to_owned();
            return Err((format!("topic `{topic}` does not exist"), Some(hint), true));
        }
        let refused = |e: rdkafka::error::KafkaError| (kafka::words(&e), None, false);
        let consumer: BaseConsumer<ReaderContext> =
            settings.create_with_context(ReaderContext::new(&url)).map_err(refused)?;
        consumer.subscribe(&[&topic]).map_err(refused)?;
        Ok((consumer, asker))
    });
    let (consumer, asker) = match opened.await {
        Ok(opened) => opened.map_err(|(message, hint, retryable)| error(message, hint, retryable))?,
        Err(stopped) => return Err(error(format!("opening was stopped: {stopped}"), None, true)),
    };
    let handover = Arc::new(Handover::new(context.resume.clone()));
    let task = reader::Task {
        url: context.display.clone(),
        topic: config.topic.as_str().into(),
        group: config.group.clone(),
        start: config.start,
        asker,
        handover: handover.clone(),
        custodian: context.custodian.clone(),
    };
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("kafka-{}", context.pipeline))
        .spawn(move || {
            reader::run(consumer, task);
            // Nobody may be waiting any more.
            end.send(()).ok();
        })
        .map_err(|e| error(format!("cannot start the reading thread: {e}"), None, true))?;
    Ok(KafkaReader {
        url: context.display.clone(),
        handover,
        rest: None,
        reached: BTreeMap::new(),
        caught_up: false,
        ended: Some(ended),
    })
}

/// A name for this member that outlives the process, so that a host that crashed has its partitions back at once instead
/// of waiting for its former self to time out. Only where the state lies in a folder of the host's own, which no other
/// process can have open at the same time; where state moves, hosts come and go, and the group is to notice.
fn instance(context: &OpenContext) -> Option<String> {
    if context.custodian.as_ref().is_none_or(|custodian| custodian.restores) {
        return None;
    }
    let file = context.data_dir.join("instance");
    let known = std::fs::read_to_string(&file).ok().and_then(|text| Uuid::parse_str(text.trim()).ok());
    let id = known.unwrap_or_else(|| {
        let new = Uuid::new_v4();
        if let Err(error) = std::fs::write(&file, format!("{new}\n")) {
            tracing::debug!(file = %file.display(), "this host has no lasting name in its group: {error}");
        }
        new
    });
    Some(format!("{}-{id}", context.pipeline))
}

/// The number of partitions of the topic. Fails where no broker answers, or where the topic is missing.
pub async fn partitions(config: &KafkaSource, pipeline: &str, url: &str) -> Result<usize, SourceError> {
    let error =
        |message, hint, retryable| SourceError { url: url.to_owned(), message, hint, retryable, retry_in: None };
    let settings = kafka::settings(&config.brokers, pipeline, &[], &config.options)
        .map_err(|name| error(format!("the option `{name}` is set by the host"), None, false))?;
    let topic = config.topic.clone();
    match tokio::task::spawn_blocking(move || kafka::Asker::new(&settings)?.partitions(&topic)).await {
        Ok(Ok(Some(count))) => Ok(count),
        Ok(Ok(None)) => {
            let hint = "create it or let a sink create it".to_owned();
            Err(error(format!("topic `{}` does not exist", config.topic), Some(hint), true))
        }
        Ok(Err(e)) => Err(error(e.message, e.hint, e.retryable)),
        Err(stopped) => Err(error(format!("opening was stopped: {stopped}"), None, true)),
    }
}

impl KafkaReader {
    /// How many partitions are read by this member of the group.
    pub fn assigned(&self) -> usize {
        self.handover.assigned()
    }

    /// Moves a batch, or as much of it as the limits and the assignment allow, to the empty `batch`.
    fn hand_out(&mut self, mut ready: Box<Ready>, first: usize, batch: &mut Batch, limits: &BatchLimits) {
        let kept = self.handover.still_ours(&ready);
        let fits =
            ready.batch.len() <= limits.records && (ready.batch.bytes() <= limits.bytes || ready.batch.len() == 1);
        if kept.is_none() && fits && first == 0 {
            std::mem::swap(batch, &mut ready.batch);
            self.reached = ready.reached;
            return;
        }
        for row in first..ready.batch.len() {
            let record = ready.batch.record(row);
            if kept.as_ref().is_some_and(|kept| kept.get(&record.partition) != Some(&true)) {
                continue;
            }
            let bytes = record.value.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len);
            if !batch.is_empty() && (batch.len() >= limits.records || batch.bytes() + bytes > limits.bytes) {
                for (partition, next) in batch.positions().iter() {
                    self.reached.insert(partition, next);
                }
                self.rest = Some((ready, row));
                return;
            }
            batch.push(record);
        }
        self.reached = ready.reached;
    }

    fn error(&self, fault: Fault) -> SourceError {
        let Fault { message, hint, retryable } = fault;
        SourceError { url: self.url.clone(), message, hint, retryable, retry_in: None }
    }
}

impl Source for KafkaReader {
    fn fill<'a>(
        &'a mut self,
        batch: &'a mut Batch,
        limits: &'a BatchLimits,
    ) -> BoxFuture<'a, Result<Filled, SourceError>> {
        Box::pin(async move {
            let deadline = Instant::now() + limits.idle;
            let asked = self.handover.ask(limits);
            let said_before = std::mem::take(&mut self.caught_up);
            loop {
                let (next, first) = match self.rest.take() {
                    Some((ready, first)) => (Taken::Batch(ready), first),
                    None => (self.handover.take(asked), 0),
                };
                match next {
                    Taken::Batch(ready) => {
                        self.hand_out(ready, first, batch, limits);
                        if !batch.is_empty() {
                            return Ok(Filled::Records);
                        }
                        continue;
                    }
                    Taken::Fault(fault) => return Err(self.error(fault)),
                    Taken::Lost => return Ok(Filled::Lost),
                    // Said again only after a wait, or an idle pipeline would ask without pause.
                    Taken::CaughtUp if !said_before || Instant::now() >= deadline => {
                        self.caught_up = true;
                        return Ok(Filled::CaughtUp);
                    }
                    Taken::CaughtUp | Taken::Nothing => {}
                }
                let news = tokio::time::timeout_at(deadline, self.handover.news.notified()).await;
                if news.is_err() && !self.handover.knows(asked) {
                    return Ok(Filled::Idle);
                }
            }
        })
    }

    fn committer(&self) -> Box<dyn Committer> {
        Box::new(GroupCommitter(self.handover.clone()))
    }

    fn lags(&self) -> Vec<(i32, u64)> {
        self.handover.lags(&self.reached)
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.handover.stop();
            let Some(ended) = self.ended.take() else { return };
            if tokio::time::timeout(CLOSE, ended).await.is_err() {
                tracing::warn!(url = %self.url, "the consumer did not leave its group within {CLOSE:?}; the broker will notice");
            }
        })
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        self.handover.stop();
    }
}

/// Leaves positions for the reading thread, which commits them twice a second, on a rebalance and at the end.
struct GroupCommitter(Arc<Handover>);

impl Committer for GroupCommitter {
    fn commit<'a>(&'a mut self, positions: &'a Positions) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            self.0.commit(positions);
            Ok(())
        })
    }
}
