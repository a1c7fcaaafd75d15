//! The records of a trial: a count and a seed go in, a filled topic and the truth about it come out.
//!
//! Every record goes to a partition that is chosen here, and Kafka confirms that it has the offset that was foreseen. So
//! the truth names the position of each record that must be dead-lettered, without reading anything back.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::Message,
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};
use uuid::Uuid;
use xtask::dataset::{self, Verdict};

use crate::engines::Engines;

pub const PARTITIONS: i32 = 4;
/// Longest wait for the last confirmations.
const FLUSH: Duration = Duration::from_secs(120);
const QUEUE_FULL: Duration = Duration::from_millis(10);

/// How lines are spread over partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// By their number, so that an id may show up in two partitions.
    ByLine,
    /// By their id, so that each is in one partition for ever.
    ById,
}

/// A record that must be rejected.
#[derive(Debug)]
pub struct Invalid {
    pub reason: &'static str,
    pub value: String,
}

/// What a correct pipeline makes of the records.
#[derive(Debug, Default)]
pub struct Truth {
    pub records: u64,
    pub ids: HashSet<u128>,
    pub duplicates: u64,
    /// By partition and offset.
    pub invalid: HashMap<(i32, i64), Invalid>,
}

impl Truth {
    /// Records to be rejected, by reason.
    pub fn by_reason(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for invalid in self.invalid.values() {
            *counts.entry(invalid.reason.to_owned()).or_default() += 1;
        }
        counts
    }
}

/// Appends all records to a topic that was empty, within about `over` where that is given, else as fast as it goes.
pub fn fill(
    engines: &Engines,
    topic: &str,
    records: u64,
    seed: u64,
    spread: Spread,
    over: Option<Duration>,
) -> Result<Truth> {
    let confirmed = Confirmed::default();
    let mut config = engines.client();
    config.set("enable.idempotence", "true").set("linger.ms", "20");
    let producer: ThreadedProducer<Confirmed> = config.create_with_context(confirmed.clone())?;
    let (mut truth, mut next, begun) = (Truth::default(), [0_i64; PARTITIONS as usize], Instant::now());
    for (line, (value, verdict)) in (0_u64..).zip(dataset::records(records, seed)) {
        if let Some(over) = over {
            let due = over.mul_f64(line as f64 / records as f64);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        let (partition, key) = place(line, &verdict, spread)?;
        let Some(offset) = next.get_mut(partition as usize) else { bail!("there is no partition {partition}") };
        let mut record = BaseRecord::with_opaque_to(topic, *offset as usize).partition(partition).payload(&value);
        record.key = key.as_deref();
        send(&producer, record).with_context(|| format!("cannot append line {line} to {topic}"))?;
        truth.add(verdict, (partition, *offset), value)?;
        *offset += 1;
    }
    producer.flush(FLUSH).context("Kafka has not confirmed all records in time")?;
    match confirmed.fault() {
        Some(fault) => bail!("{topic} is not as foreseen: {fault}"),
        None => Ok(truth),
    }
}

fn place(line: u64, verdict: &Verdict, spread: Spread) -> Result<(i32, Option<String>)> {
    match (spread, verdict) {
        (Spread::ById, Verdict::First { id } | Verdict::Duplicate { id, .. }) => {
            let hash = Uuid::parse_str(id)?.as_u128() % PARTITIONS as u128;
            Ok((hash as i32, Some(id.clone())))
        }
        // An invalid record may have no id.
        _ => Ok(((line % PARTITIONS as u64) as i32, None)),
    }
}

fn send(producer: &ThreadedProducer<Confirmed>, record: BaseRecord<'_, str, String, usize>) -> Result<()> {
    let mut waiting = record;
    loop {
        match producer.send(waiting) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                waiting = back;
                std::thread::sleep(QUEUE_FULL);
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

impl Truth {
    fn add(&mut self, verdict: Verdict, position: (i32, i64), value: String) -> Result<()> {
        self.records += 1;
        match verdict {
            Verdict::First { id } => {
                self.ids.insert(Uuid::parse_str(&id)?.as_u128());
            }
            Verdict::Duplicate { .. } => self.duplicates += 1,
            Verdict::Invalid(reason) => {
                self.invalid.insert(position, Invalid { reason: reason.code(), value });
            }
        }
        Ok(())
    }
}

/// The first thing that Kafka did otherwise than foreseen.
#[derive(Clone, Default)]
struct Confirmed(Arc<Mutex<Option<String>>>);

impl Confirmed {
    fn fault(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Confirmed {}

impl ProducerContext for Confirmed {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, foreseen: usize) {
        let fault = match result {
            Ok(message) if message.offset() == foreseen as i64 => return,
            Ok(message) => format!("offset {} instead of {foreseen}", message.offset()),
            Err((error, _)) => error.to_string(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }
}
