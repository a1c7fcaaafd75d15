//! What became of dead letters that were replayed: every one that was taken up is written, still failing, dropped with a
//! reason, or missing; and none is missing once a replay has come to its end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::{Cause, Totals};

/// The ledger of a replay; also as it crosses the admin address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayLedger {
    /// Letters that were taken up.
    pub taken: u64,
    /// Records that the sink has acknowledged.
    pub written: u64,
    /// Records that stages added by splitting.
    pub split: u64,
    /// Letters that a stage dropped.
    pub dropped: Vec<CauseCount>,
    /// Letters that were rejected or refused again: they are dead letters anew.
    pub still_failing: Vec<CauseCount>,
    /// Letters that were taken up and of which nothing is known.
    pub missing: u64,
    /// Letters that a replay had dealt with before.
    pub replayed_before: u64,
    /// Letters whose record this host has not committed.
    pub not_committed: u64,
    /// Letters of the pipeline that were not asked for.
    pub not_asked_for: u64,
    /// Why it ended early, if it did.
    pub ended: Option<String>,
}

/// How many records a cause has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseCount {
    /// The stage, or `sink`.
    pub stage: String,
    /// The code of the reason.
    pub reason: String,
    /// How many.
    pub records: u64,
}

impl ReplayLedger {
    /// Letters are on their way.
    pub(super) fn sent(&mut self, letters: usize) {
        self.taken += letters as u64;
        self.missing += letters as u64;
    }

    /// It is known what became of some of them.
    pub(super) fn settled(&mut self, fate: &Totals) {
        self.missing = self.missing.saturating_sub(fate.consumed);
        self.written += fate.written;
        self.split += fate.split;
        count(&mut self.dropped, &fate.dropped);
        count(&mut self.still_failing, &fate.dead_lettered);
    }

    /// Taken + split - written - dropped - still failing - missing: 0, or there is a fault in the host.
    pub fn drift(&self) -> i128 {
        let sum = |counts: &[CauseCount]| counts.iter().map(|count| i128::from(count.records)).sum::<i128>();
        let out = i128::from(self.written) + sum(&self.dropped) + sum(&self.still_failing) + i128::from(self.missing);
        i128::from(self.taken) + i128::from(self.split) - out
    }
}

fn count(counts: &mut Vec<CauseCount>, more: &BTreeMap<Cause, u64>) {
    for (cause, records) in more {
        match counts.iter_mut().find(|count| count.stage == cause.stage && count.reason == cause.reason) {
            Some(count) => count.records += records,
            None => {
                let (stage, reason) = (cause.stage.clone(), cause.reason.clone());
                counts.push(CauseCount { stage, reason, records: *records });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_in_the_ledger_once() {
        let mut ledger = ReplayLedger::default();
        ledger.sent(10);
        assert_eq!((ledger.missing, ledger.drift()), (10, 0));
        let mut fate = Totals { consumed: 4, split: 1, written: 3, ..Totals::default() };
        fate.drop_one(&Cause::new("dedup", "duplicate"));
        fate.dead_letter_one(&Cause::new("validate", "bad_id"));
        ledger.settled(&fate);
        ledger.settled(&fate);
        assert_eq!((ledger.taken, ledger.written, ledger.missing, ledger.drift()), (10, 6, 2, 0));
        assert_eq!(ledger.dropped, [CauseCount { stage: "dedup".into(), reason: "duplicate".into(), records: 2 }]);
    }
}
