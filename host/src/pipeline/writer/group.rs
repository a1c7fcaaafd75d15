//! Group commit: batches that are written become durable together, so that those that come fast share an fsync, and the wait
//! until their dead letters are acknowledged.
//!
//! A batch waits for its commit, never for its write. What a crash finds written and not committed is read, judged and
//! written again, as ever; the bounds below say how much that is at most, with what waits behind the group.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    pipeline::{
        dead_letter::Letter,
        tally::{Tally, tally},
    },
    record::Handled,
    transform::{Author, Processed},
};

/// Most records of a group, and most bytes of what they were read as: the worker keeps them until they are durable.
const RECORDS: usize = 8192;
const BYTES: usize = 2 << 20;

static NONE_HANDLED: Handled = Handled::none();

/// A batch whose rows are acknowledged.
pub(super) struct Written {
    pub batch: Processed,
    pub tally: Tally,
    /// Records that the sink refused for good, and why.
    pub refused: Vec<(u32, String)>,
    /// How often it was asked.
    attempts: u64,
    /// How long it took.
    pub took: Duration,
}

impl Written {
    pub fn new(batch: Processed, refused: Vec<(u32, String)>, attempts: u64, took: Duration) -> Self {
        Self { tally: tally(&batch, &refused), batch, refused, attempts, took }
    }

    pub fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// What goes to the dead letters.
    pub fn letters<'a>(&'a self, sink: &'a Author, nobody: &'a Author) -> impl Iterator<Item = Letter<'a>> + Clone {
        let rejected = self.batch.rejected.iter().map(|rejected| Letter {
            origin: rejected.origin,
            author: self.batch.authors.get(rejected.stage).unwrap_or(nobody),
            reason: &rejected.reason,
            attempt: 0,
        });
        let refused = self.refused.iter();
        let refused =
            refused.map(|(origin, reason)| Letter { origin: *origin, author: sink, reason, attempt: self.attempts });
        rejected.chain(refused)
    }

    pub fn handled(&self) -> &Handled {
        self.batch.write.source.letters.as_ref().map_or(&NONE_HANDLED, |letters| &letters.handled)
    }
}

/// Batches that are to be committed together, oldest first.
#[derive(Default)]
pub(super) struct Group {
    pub written: Vec<Written>,
    since: Option<Instant>,
}

impl Group {
    pub fn add(&mut self, written: Written) {
        self.written.push(written);
        self.since.get_or_insert_with(Instant::now);
    }

    /// Takes all of them out.
    pub fn take(&mut self) -> Vec<Written> {
        self.since = None;
        std::mem::take(&mut self.written)
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
