//! Group commit: batches that are written become durable together, so that an fsync is shared by those that come fast.
//!
//! A batch waits for its commit, never for its write. What a crash finds written and not committed is read, judged and
//! written again, as ever; the bounds below say how much that is at most.

use std::time::Duration;

use tokio::time::Instant;

use super::{Abandoned, Ended, Writer};
use crate::{
    pipeline::{
        ledger::Entry,
        standing::News,
        tally::{Tally, sum, tally},
        worker::Task,
    },
    record::Handled,
    state::Writes,
    transform::Processed,
};

/// Longest wait between attempts to make a commit durable.
const MAX_COMMIT_DELAY: Duration = Duration::from_secs(5);
/// Most records of a group, and most bytes of what they were read as: the worker keeps them until they are durable.
const RECORDS: usize = 4096;
const BYTES: usize = 2 << 20;

static NONE_HANDLED: Handled = Handled::none();

/// A batch whose rows and dead letters are acknowledged.
pub(super) struct Written {
    batch: Processed,
    tally: Tally,
    /// Records that the sink refused for good, and why.
    refused: Vec<(u32, String)>,
    /// How long the sink took for it.
    took: Duration,
}

impl Written {
    pub fn new(batch: Processed, refused: Vec<(u32, String)>, took: Duration) -> Self {
        Self { tally: tally(&batch, &refused), batch, refused, took }
    }

    fn handled(&self) -> &Handled {
        self.batch.write.source.letters.as_ref().map_or(&NONE_HANDLED, |letters| &letters.handled)
    }
}

/// Batches that are to be committed together, oldest first.
#[derive(Default)]
pub(super) struct Group {
    written: Vec<Written>,
    since: Option<Instant>,
}

impl Group {
    pub fn add(&mut self, written: Written) {
        self.written.push(written);
        self.since.get_or_insert_with(Instant::now);
    }

    /// When it is to be committed if no more comes; `None` where there is nothing.
    pub fn due(&self, interval: Duration) -> Option<Instant> {
        Some(self.since? + interval)
    }

    /// Whether it has waited for long enough, or holds as much as it may.
    pub fn is_full(&self, interval: Duration) -> bool {
        let sources = || self.written.iter().map(|written| &written.batch.write.source);
        self.due(interval).is_some_and(|due| Instant::now() >= due)
            || sources().map(|source| source.len()).sum::<usize>() >= RECORDS
            || sources().map(|source| source.bytes()).sum::<usize>() >= BYTES
    }
}

impl Writer {
    /// Makes what is written durable, and tells everyone.
    pub(super) async fn commit(&mut self, group: &mut Group) -> Result<(), Ended> {
        if group.written.is_empty() {
            return Ok(());
        }
        self.make_durable(&group.written).await?;
        fail::fail_point!(&format!("{}/after-frame", self.pipeline));
        group.since = None;
        for written in group.written.drain(..) {
            self.tell(written).await;
        }
        Ok(())
    }

    async fn tell(&mut self, written: Written) {
        let handled = written.handled();
        let added = sum(&written.tally);
        let positions = &written.batch.positions;
        self.meter.commit(&self.pipeline, &added);
        self.meter.batch(&written.batch, written.took);
        self.standing.committed(positions, handled);
        match &written.batch.write.source.letters {
            Some(letters) => self.standing.tell(letters.replay, News::Done(added)),
            // The places of letters are none that the source would go on from.
            None => {
                if let Err(error) = self.committer.commit(positions).await {
                    tracing::debug!(pipeline = %self.pipeline, "{error}");
                }
            }
        }
        let refused = written.refused.into_iter().map(|(origin, _)| origin).collect();
        // The worker may have ended; then there is no state to mend.
        let _ = self.tasks.send(Task::Committed { refused });
    }

    /// Commits. A full disk, or a broker that is away, is waited out; what else fails here does not pass by itself.
    async fn make_durable(&mut self, group: &[Written]) -> Result<(), Ended> {
        let mut backoff = crate::pipeline::retry::Backoff::new(MAX_COMMIT_DELAY);
        let time_ms = crate::pipeline::now_ms();
        let writes: Vec<Vec<(&str, &Writes)>> = group.iter().map(|written| by_name(&written.batch)).collect();
        let durable: Vec<_> =
            group.iter().map(|written| |row: u32| !written.refused.iter().any(|(origin, _)| *origin == row)).collect();
        let parts = group.iter().zip(&writes).zip(&durable);
        let entries: Vec<Entry<'_>> = parts
            .map(|((written, writes), durable)| Entry {
                positions: &written.batch.positions,
                tally: &written.tally,
                writes,
                handled: written.handled(),
                partitions: &written.batch.write.source.partitions,
                durable,
                time_ms,
            })
            .collect();
        let rows = group.iter().map(|written| written.batch.write.len()).sum();
        loop {
            let mut stop = self.stop.clone();
            let abandoned = |why: String| Ended::Abandoned(Abandoned { rows, why });
            let committed = tokio::select! {
                // What is acknowledged is not given up for being late.
                biased;
                committed = self.ledger.commit(&entries) => committed,
                () = stop.abandoned() => return Err(abandoned("the commit was under way".to_owned())),
            };
            match committed {
                Ok(()) => return Ok(()),
                Err(error) if error.is_retryable() => {
                    let delay = backoff.next();
                    let why = crate::pipeline::chain_of(&error);
                    let delay_ms = delay.as_millis() as u64;
                    tracing::error!(pipeline = %self.pipeline, delay_ms, "{why}; trying again");
                    self.meter.retry(why);
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = stop.abandoned() => return Err(abandoned(crate::pipeline::chain_of(&error))),
                    }
                }
                Err(error) => return Err(Ended::Ledger(error)),
            }
        }
    }
}

fn by_name(batch: &Processed) -> Vec<(&str, &Writes)> {
    batch.writes.iter().map(|(stage, writes)| (stage.as_ref(), writes)).collect()
}
