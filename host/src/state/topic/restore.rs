//! Taking partitions over: claim, read up to the claim, apply what counts.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    Owned, TopicError, TopicLog,
    message::{Fence, Kind, head, parse},
    now_ms,
};
use crate::{
    kafka::{self, BrokerLog, Quiet},
    state::{
        StageState,
        frame::{Restore, Restored, read_payload},
    },
};

/// Hosts' clocks may differ by that much.
const CLOCK_SLACK_MS: i64 = 60_000;
/// A restore that takes longer says how far it is, this often.
const REPORT_EVERY: Duration = Duration::from_secs(2);
/// Time between attempts while the broker is away.
const AGAIN: Duration = Duration::from_secs(1);
/// Without a message for that long the broker is asked anew.
const STALL: Duration = Duration::from_secs(15);
/// How long one question may take. Short, as a stop has to wait for it; what is not answered is asked again.
const ASK: Duration = Duration::from_secs(2);
/// How soon it is noticed that nobody waits for the state any more.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A partition while it is read.
struct Reading {
    claim: i64,
    start: i64,
    at: i64,
    fence: Fence,
    restored: Restored,
}

impl TopicLog {
    /// Claims the partitions and restores their state on top of what `stages` hold. Waits out a broker that is away.
    /// `None`: it was `called_off` before all was there.
    pub fn take_over(
        &self,
        partitions: &[i32],
        stages: &mut BTreeMap<String, StageState>,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Owned>>, TopicError> {
        let began = Instant::now();
        let mut claims = None;
        while !called_off() {
            // A claim stays one however often reading fails; each further one would bury the last frame deeper.
            let step = match &claims {
                None => self.claim(partitions, called_off).map(|made| {
                    claims = made;
                    None
                }),
                Some(claims) => self.restore(partitions, claims, stages, called_off),
            };
            match step {
                Ok(Some(owned)) => {
                    let entries = stages.values().map(StageState::len).sum::<usize>();
                    tracing::info!(
                        state = %self.url, ?partitions, entries, ms = began.elapsed().as_millis() as u64, "state restored"
                    );
                    return Ok(Some(owned));
                }
                Ok(None) => {}
                Err(error) if !error.retryable => return Err(error),
                Err(error) => {
                    tracing::warn!("{error}; trying again");
                    // Made within the runtime: this thread is none of its own, and has no clock.
                    self.runtime.block_on(async { until(called_off, tokio::time::sleep(AGAIN)).await });
                }
            }
        }
        Ok(None)
    }

    /// Appends a claim to each partition. `None` where it was called off.
    fn claim(&self, partitions: &[i32], called_off: &dyn Fn() -> bool) -> Result<Option<Vec<i64>>, TopicError> {
        let host = format!("{}", std::process::id());
        let claims = partitions.iter().map(|partition| {
            let mut bytes = head(Kind::Claim, 0);
            bytes.extend_from_slice(host.as_bytes());
            (*partition, bytes)
        });
        self.runtime.block_on(until(called_off, self.append(claims.collect(), now_ms()))).transpose()
    }

    fn restore(
        &self,
        partitions: &[i32],
        claims: &[i64],
        stages: &mut BTreeMap<String, StageState>,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Owned>>, TopicError> {
        let owned = self.read_up_to(partitions, claims, false, stages, called_off)?;
        if owned.as_ref().is_none_or(|owned| owned.iter().all(|owned| owned.next.is_some())) {
            return Ok(owned);
        }
        // Nothing was committed yet, or hosts claimed without committing and the last commit lies further back.
        self.read_up_to(partitions, claims, true, stages, called_off)
    }

    fn read_up_to(
        &self,
        partitions: &[i32],
        claims: &[i64],
        whole: bool,
        stages: &mut BTreeMap<String, StageState>,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Owned>>, TopicError> {
        let failed = |error: KafkaError| self.not_read(&error);
        let consumer = self.reader().map_err(failed)?;
        let starts = if whole { BTreeMap::new() } else { self.starts(&consumer, partitions).map_err(failed)? };
        let mut list = TopicPartitionList::new();
        let mut reading = BTreeMap::new();
        for (partition, claim) in partitions.iter().zip(claims.iter().copied()) {
            // The frame before the claim has the position, however old it is.
            let last = if whole { 0 } else { (claim - 1).max(0) };
            let start = starts.get(partition).copied().unwrap_or(last).min(last);
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(start)).map_err(failed)?;
            let (fence, restored) = Default::default();
            reading.insert(*partition, Reading { claim, start, at: start, fence, restored });
        }
        consumer.assign(&list).map_err(failed)?;
        if !self.read(&consumer, &mut reading, stages, called_off)? {
            return Ok(None);
        }
        for (stage, state) in stages.iter() {
            self.keeps(&state.older_versions().map(|version| (stage.clone(), version)).collect());
        }
        let owned = |(partition, reading): (i32, Reading)| {
            if reading.fence.stale > 0 {
                tracing::warn!(
                    state = %self.url, partition, frames = reading.fence.stale,
                    "passed over frames of a host that had lost the partition"
                );
            }
            let Restored { positions, totals, replay, .. } = reading.restored;
            let next = positions.next_offset(partition);
            let (claim, seq) = (reading.claim, reading.fence.seq());
            Owned { partition, claim, at: claim, seq, next, totals, replay }
        };
        Ok(Some(reading.into_iter().map(owned).collect()))
    }

    /// Whether another host has claimed the partition between these two offsets.
    pub(super) fn claimed_between(&self, partition: i32, after: i64, before: i64) -> Result<bool, TopicError> {
        let failed = |error: KafkaError| self.not_read(&error);
        let consumer = self.reader().map_err(failed)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(after + 1)).map_err(failed)?;
        consumer.assign(&list).map_err(failed)?;
        let began = Instant::now();
        while began.elapsed() < ASK {
            match consumer.poll(ASK / 10) {
                Some(Ok(message)) if message.offset() >= before => return Ok(false),
                Some(Ok(message)) if is_claim(message.payload()) => return Ok(true),
                Some(Err(error)) if is_fatal(&error) => return Err(failed(error)),
                _ => {}
            }
        }
        Err(self.error(format!("no frame arrived within {ASK:?}"), None, true))
    }

    fn reader(&self) -> Result<BaseConsumer<Quiet>, KafkaError> {
        let mut settings = self.settings.clone();
        settings.set("group.id", "millstream-state"); // asked for by librdkafka; nothing is committed to it
        settings.set("enable.auto.commit", "false");
        settings.set("auto.offset.reset", "earliest");
        settings.set("fetch.message.max.bytes", "8388608");
        kafka::bound_fetching(&mut settings);
        settings.create_with_context(Quiet(BrokerLog::new(&self.url)))
    }

    /// The first offset of each partition that may hold an entry that is alive.
    fn starts(&self, consumer: &BaseConsumer<Quiet>, partitions: &[i32]) -> Result<BTreeMap<i32, i64>, KafkaError> {
        let since = match self.longest_ttl_s {
            // `Offset::Beginning` asks for the first one.
            None => Offset::Beginning,
            Some(ttl) => Offset::Offset((now_ms() - i64::from(ttl) * 1000 - CLOCK_SLACK_MS).max(0)),
        };
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(&self.topic, *partition, since)?;
        }
        let found = consumer.offsets_for_times(list, ASK)?;
        let starts = found.elements().into_iter().filter_map(|e| Some((e.partition(), e.offset().to_raw()?)));
        Ok(starts.filter(|(_, offset)| *offset >= 0).collect())
    }

    /// Reads up to the claims. `false` where it was called off.
    fn read(
        &self,
        consumer: &BaseConsumer<Quiet>,
        reading: &mut BTreeMap<i32, Reading>,
        stages: &mut BTreeMap<String, StageState>,
        called_off: &dyn Fn() -> bool,
    ) -> Result<bool, TopicError> {
        let mut restore = Restore::new(stages);
        let (mut heard, mut reported) = (Instant::now(), Instant::now());
        while reading.values().any(|reading| reading.at <= reading.claim) {
            if called_off() {
                return Ok(false);
            }
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                let done: i64 = reading.values().map(|reading| reading.at - reading.start).sum();
                let all: i64 = reading.values().map(|reading| reading.claim + 1 - reading.start).sum();
                tracing::info!(state = %self.url, "restoring state: {done} of {all} frames");
            }
            let message = match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => message,
                Some(Err(error)) if is_fatal(&error) => {
                    return Err(self.not_read(&error));
                }
                _ if heard.elapsed() >= STALL => {
                    return Err(self.error(format!("no frame arrived within {STALL:?}"), None, true));
                }
                _ => continue,
            };
            heard = Instant::now();
            let (partition, offset) = (message.partition(), message.offset());
            let Some(reading) = reading.get_mut(&partition).filter(|reading| offset <= reading.claim) else { continue };
            reading.at = offset + 1;
            let Some((kind, claim, content)) = parse(message.payload().unwrap_or_default()) else {
                return Err(self.damaged(partition, offset, "it is no frame of this version"));
            };
            match kind {
                Kind::Claim => reading.fence.claimed(offset),
                Kind::Frame => {
                    let payload = content.get(crate::state::frame::FRAME_HEAD..).unwrap_or_default();
                    let seq = payload.first_chunk().map_or(0, |seq| u64::from_le_bytes(*seq));
                    if !reading.fence.lets_through(claim, seq) {
                        continue;
                    }
                    std::mem::swap(&mut restore.restored, &mut reading.restored);
                    let applied = read_payload(payload, &mut restore);
                    std::mem::swap(&mut restore.restored, &mut reading.restored);
                    applied.map_err(|what| self.damaged(partition, offset, what.0))?;
                    if let Some(newer) = &reading.restored.newer {
                        return Err(self.error(format!("partition {partition}: {newer}"), None, false));
                    }
                }
            }
        }
        Ok(true)
    }

    fn not_read(&self, error: &KafkaError) -> TopicError {
        self.error(format!("cannot read: {}", kafka::words(error)), None, true)
    }

    fn damaged(&self, partition: i32, offset: i64, what: &str) -> TopicError {
        let hint = "something else writes to this topic, or a newer version did; name another topic to begin anew";
        self.error(format!("partition {partition} has a bad message at offset {offset}: {what}"), Some(hint), false)
    }
}

/// What comes of `future`, unless it is called off before.
async fn until<T>(called_off: &dyn Fn() -> bool, future: impl Future<Output = T>) -> Option<T> {
    let off = async {
        while !called_off() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        result = future => Some(result),
        () = off => None,
    }
}

fn is_claim(message: Option<&[u8]>) -> bool {
    parse(message.unwrap_or_default()).is_some_and(|(kind, ..)| kind == Kind::Claim)
}

/// What does not pass while we wait.
fn is_fatal(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| {
        kafka::is_refusal(code)
            || matches!(code, RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::UnknownTopicOrPartition)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_does_not_wait_for_a_broker_that_is_away() {
        let log = Arc::new(TopicLog::without_broker());
        let off = Arc::new(AtomicBool::new(false));
        let (of, log) = (off.clone(), log.clone());
        let (began, begins) = std::sync::mpsc::channel();
        let taken = std::thread::spawn(move || {
            let called_off = || {
                began.send(()).ok();
                of.load(Ordering::Relaxed)
            };
            log.take_over(&[0, 1], &mut BTreeMap::new(), &called_off)
        });
        // The claim is under way, and cannot be acknowledged.
        begins.recv().unwrap();
        begins.recv().unwrap();
        let asked = Instant::now();
        off.store(true, Ordering::Relaxed);
        let taken = tokio::task::spawn_blocking(|| taken.join().unwrap()).await.unwrap();
        assert!(matches!(taken, Ok(None)));
        assert!(asked.elapsed() < Duration::from_secs(2), "called off after {:?}", asked.elapsed());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_claim_that_fails_is_made_again_on_a_thread_without_a_clock_of_its_own() {
        let log = TopicLog::without_broker();
        let taken = std::thread::spawn(move || {
            let asked = std::cell::Cell::new(0);
            let called_off = || {
                asked.set(asked.get() + 1);
                // By then the first claim has failed, and the next one is waited for.
                asked.get() > 60
            };
            log.take_over(&[0], &mut BTreeMap::new(), &called_off)
        });
        let taken = tokio::task::spawn_blocking(|| taken.join().unwrap()).await.unwrap();
        assert!(matches!(taken, Ok(None)));
    }
}
