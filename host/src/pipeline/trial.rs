//! The probation of a version: for its first records, what it rejects is judged by the old version as well.
//!
//! While both agree, nothing is held up. From the first record on that the new version rejects and the old one would
//! not, what it made of the batches is held back, until it is clear whether the new rule is meant or the version is
//! broken. If it is put back, the held batches run again on the old version: nothing that only the broken one rejected
//! was ever written anywhere.

use std::sync::Arc;

use crate::{
    config::Probation,
    record::Batch,
    transform::{Chain, Processed},
};

/// A version on probation.
pub(super) struct Trial {
    rules: Probation,
    old: Chain,
    seen: u64,
    /// Records that the old version does not reject.
    taken: u64,
    /// Those of them that the new version rejects.
    disputed: u64,
    held: Vec<Held>,
}

struct Held {
    batch: Arc<Batch>,
    processed: Processed,
}

/// What to do next.
pub(super) enum Verdict {
    /// Go on watching.
    Open,
    /// The new version stays.
    Kept,
    /// The old one is put back.
    Refused(String),
}

impl Trial {
    /// Watches a chain that has just taken the place of `old`.
    pub fn new(old: Chain, rules: Probation) -> Self {
        Self { rules, old, seen: 0, taken: 0, disputed: 0, held: Vec::new() }
    }

    /// Judges what the new version made of a batch, and gives back what can go on.
    pub fn judge(&mut self, new: &mut Chain, batch: Arc<Batch>, processed: Processed) -> Option<Processed> {
        self.seen += batch.len() as u64;
        self.taken += batch.len() as u64;
        if !processed.rejected.is_empty() {
            let by_old = self.rejected_by_old(new, &batch, &processed);
            self.taken -= by_old.min(batch.len() as u64);
            self.disputed += (processed.rejected.len() as u64).saturating_sub(by_old);
        }
        if self.disputed == 0 {
            return Some(processed);
        }
        self.held.push(Held { batch, processed });
        None
    }

    /// The old version runs on the state as the new one found it, and leaves no trace.
    fn rejected_by_old(&mut self, new: &mut Chain, batch: &Arc<Batch>, processed: &Processed) -> u64 {
        new.undo(&processed.writes, |_| true);
        self.old.adopt(new);
        let rejected = match self.old.run(batch.clone()) {
            Ok(old) => {
                self.old.undo(&old.writes, |_| true);
                old.rejected.len() as u64
            }
            // It is no better.
            Err(_) => batch.len() as u64,
        };
        new.adopt(&mut self.old);
        new.redo(&processed.writes);
        rejected
    }

    /// Whether it is clear by now. `over`: no more will be seen.
    pub fn verdict(&self, over: bool) -> Verdict {
        let over = over || self.seen >= self.rules.records;
        let may_come = if over { 0 } else { self.rules.records - self.seen };
        if self.disputed * 100 > self.rules.rejects * (self.taken + may_come) {
            let (disputed, taken) = (self.disputed, self.taken);
            return Verdict::Refused(format!(
                "it rejects {disputed} of {taken} records that the version before it takes"
            ));
        }
        if over { Verdict::Kept } else { Verdict::Open }
    }

    /// What was held back, when the new version stays.
    pub fn keep(self) -> Vec<(Arc<Batch>, Processed)> {
        self.held.into_iter().map(|held| (held.batch, held.processed)).collect()
    }

    /// The old version with all state, and the batches that it has to run.
    pub fn put_back(mut self, new: &mut Chain) -> (Chain, Vec<Arc<Batch>>) {
        for held in self.held.iter().rev() {
            new.undo(&held.processed.writes, |_| true);
        }
        self.old.adopt(new);
        (self.old, self.held.into_iter().map(|held| held.batch).collect())
    }
}
