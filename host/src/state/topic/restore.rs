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
    ASK, Owned, TopicError, TopicLog,
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

/// A partition while it is read.
struct Reading {
    claim: i64,
    start: i64,
    at: i64,
    fence: Fence,
    restored: Restored,
}

impl TopicLog {
    /// Claims the partitions and restores their state on top of what `stages` hold. Waits out a broker that is away,
    /// until `given_up` says so.
    pub fn take_over(
        &self,
        partitions: &[i32],
        stages: &mut BTreeMap<String, StageState>,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Vec<Owned>, TopicError> {
        let began = Instant::now();
        loop {
            match self.try_take_over(partitions, stages, given_up) {
                Ok(owned) => {
                    let entries = stages.values().map(StageState::len).sum::<usize>();
                    tracing::info!(
                        state = %self.url, ?partitions, entries, ms = began.elapsed().as_millis() as u64, "state restored"
                    );
                    return Ok(owned);
                }
                Err(error) if !error.retryable || given_up() => return Err(error),
                Err(error) => {
                    tracing::warn!("{error}; trying again");
                    std::thread::sleep(AGAIN);
                }
            }
        }
    }

    fn try_take_over(
        &self,
        partitions: &[i32],
        stages: &mut BTreeMap<String, StageState>,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Vec<Owned>, TopicError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let host = format!("{}", std::process::id());
        let claims = partitions.iter().map(|partition| {
            let mut bytes = head(Kind::Claim, 0);
            bytes.extend_from_slice(host.as_bytes());
            (*partition, bytes)
        });
        let claims = self.runtime.block_on(self.append(claims.collect(), now_ms()))?;
        let owned = self.read_up_to(partitions, &claims, false, stages, given_up)?;
        if owned.iter().all(|owned| owned.next.is_some()) {
            return Ok(owned);
        }
        // Nothing was committed yet, or hosts claimed without committing and the last commit lies further back.
        self.read_up_to(partitions, &claims, true, stages, given_up)
    }

    fn read_up_to(
        &self,
        partitions: &[i32],
        claims: &[i64],
        whole: bool,
        stages: &mut BTreeMap<String, StageState>,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Vec<Owned>, TopicError> {
        let failed = |error: KafkaError| self.error(format!("cannot read: {}", kafka::words(&error)), None, true);
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
        self.read(&consumer, &mut reading, stages, given_up)?;
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
            Owned { partition, claim: reading.claim, seq: reading.fence.seq(), next, totals, replay }
        };
        Ok(reading.into_iter().map(owned).collect())
    }

    fn reader(&self) -> Result<BaseConsumer<Quiet>, KafkaError> {
        let mut settings = self.settings.clone();
        settings.set("group.id", "millstream-state"); // asked for by librdkafka; nothing is committed to it
        settings.set("enable.auto.commit", "false");
        settings.set("auto.offset.reset", "earliest");
        settings.set("fetch.message.max.bytes", "8388608");
        settings.set("queued.max.messages.kbytes", "32768");
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

    fn read(
        &self,
        consumer: &BaseConsumer<Quiet>,
        reading: &mut BTreeMap<i32, Reading>,
        stages: &mut BTreeMap<String, StageState>,
        given_up: &dyn Fn() -> bool,
    ) -> Result<(), TopicError> {
        let mut restore = Restore::new(stages);
        let (mut heard, mut reported) = (Instant::now(), Instant::now());
        while reading.values().any(|reading| reading.at <= reading.claim) {
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                let done: i64 = reading.values().map(|reading| reading.at - reading.start).sum();
                let all: i64 = reading.values().map(|reading| reading.claim + 1 - reading.start).sum();
                tracing::info!(state = %self.url, "restoring state: {done} of {all} frames");
            }
            let message = match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => message,
                Some(Err(error)) if is_fatal(&error) => {
                    return Err(self.error(format!("cannot read: {}", kafka::words(&error)), None, true));
                }
                _ if given_up() || heard.elapsed() >= STALL => {
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
        Ok(())
    }

    fn damaged(&self, partition: i32, offset: i64, what: &str) -> TopicError {
        let hint = "something else writes to this topic, or a newer version did; name another topic to begin anew";
        self.error(format!("partition {partition} has a bad message at offset {offset}: {what}"), Some(hint), false)
    }
}

/// What does not pass while we wait.
fn is_fatal(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| {
        kafka::is_refusal(code)
            || matches!(code, RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::UnknownTopicOrPartition)
    })
}
