//! The probation of a version: for its first records, what it rejects or traps on is judged by the old version as well.
//!
//! While both agree, nothing is held up. From the first record on that the new version rejects and the old one would
//! not, what it made of the batches is held back, until it is clear whether the new rule is meant or the version is
//! broken. If it is put back, the held batches run again on the old version: nothing that only the broken one rejected
//! was ever written anywhere.
//!
//! A version that has taken over the state of an older one is held back from its first record on: what it keeps means nothing to
//! the old version, which has its own state as it was.

use std::{collections::HashSet, sync::Arc};

use crate::{
    config::Probation,
    record::Batch,
    state::Migrated,
    transform::{Chain, Processed, Rejected},
};

/// More is not held back, however long the probation may be: then it is judged by what was seen.
const MAX_HELD_BYTES: usize = 64 << 20;

/// A version on probation.
pub(super) struct Trial {
    rules: Probation,
    old: Chain,
    seen: u64,
    /// Records that the old version does not reject.
    taken: u64,
    /// Those of them that the new version rejects, for whatever reason.
    disputed: u64,
    /// Records that the new version traps on, or breaks a limit, and the old one does not.
    trapped: u64,
    held: Vec<Held>,
    /// Bytes of the batches that are held back.
    held_bytes: usize,
    /// What the new version took over from an older one.
    migrated: Vec<Migrated>,
}

struct Held {
    batch: Arc<Batch>,
    processed: Processed,
}

/// Records of a batch that the old version rejects, and those of them on which it trapped.
struct ByOld {
    rejected: HashSet<u32>,
    trapped: HashSet<u32>,
}

impl ByOld {
    /// By what became of the records with these indexes in the batch.
    fn of(rejected: &[Rejected], index: impl Fn(u32) -> u32) -> Self {
        let all = rejected.iter();
        Self {
            trapped: all.clone().filter(|rejected| rejected.trapped).map(|rejected| index(rejected.origin)).collect(),
            rejected: all.map(|rejected| index(rejected.origin)).collect(),
        }
    }
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
    pub fn new(old: Chain, rules: Probation, migrated: Vec<Migrated>) -> Self {
        Self { rules, old, seen: 0, taken: 0, disputed: 0, trapped: 0, held: Vec::new(), held_bytes: 0, migrated }
    }

    /// Judges what the new version made of a batch, and gives back what can go on.
    pub fn judge(&mut self, new: &mut Chain, batch: Arc<Batch>, processed: Processed) -> Option<Processed> {
        self.seen += batch.len() as u64;
        self.taken += batch.len() as u64;
        if !processed.rejected.is_empty() {
            let old = self
                .rejected_apart(&batch, &processed)
                .unwrap_or_else(|| self.rejected_by_old(new, &batch, &processed));
            self.taken -= old.rejected.len() as u64;
            let disputed = |rejected: &&Rejected| !old.rejected.contains(&rejected.origin);
            let trapped = |rejected: &&Rejected| rejected.trapped && !old.trapped.contains(&rejected.origin);
            let count = |records: HashSet<u32>| records.len() as u64;
            self.disputed +=
                count(processed.rejected.iter().filter(disputed).map(|rejected| rejected.origin).collect());
            self.trapped += count(processed.rejected.iter().filter(trapped).map(|rejected| rejected.origin).collect());
        }
        if self.disputed == 0 && self.trapped == 0 && self.migrated.is_empty() {
            return Some(processed);
        }
        self.held_bytes += batch.bytes();
        self.held.push(Held { batch, processed });
        None
    }

    /// Only the records that the new version rejects, and only the old one's stages that keep nothing, which is quickly done.
    /// `None` where that does not answer it: one of them goes further, and what comes of it hangs on what is kept there.
    fn rejected_apart(&mut self, batch: &Batch, processed: &Processed) -> Option<ByOld> {
        let mut records: Vec<u32> = processed.rejected.iter().map(|rejected| rejected.origin).collect();
        records.sort_unstable();
        records.dedup();
        let begun = self.old.begin(Arc::new(batch.pick(&records))).ok()?;
        let old = ByOld::of(begun.rejected(), |at| records.get(at as usize).copied().unwrap_or_default());
        (old.rejected.len() == records.len()).then_some(old)
    }

    /// The old version runs on the state as the new one found it, and leaves no trace.
    fn rejected_by_old(&mut self, new: &mut Chain, batch: &Arc<Batch>, processed: &Processed) -> ByOld {
        new.undo(&processed.writes, |_| true);
        self.old.adopt(new);
        let by_old = match self.old.run(batch.clone()) {
            Ok(old) => {
                self.old.undo(&old.writes, |_| true);
                ByOld::of(&old.rejected, |origin| origin)
            }
            // It is no better.
            Err(_) => {
                let all: HashSet<u32> = (0..batch.len() as u32).collect();
                ByOld { trapped: all.clone(), rejected: all }
            }
        };
        new.adopt(&mut self.old);
        new.redo(&processed.writes);
        by_old
    }

    /// Whether it is clear by now. `over`: no more will be seen.
    pub fn verdict(&self, over: bool) -> Verdict {
        let over = over || self.seen >= self.rules.records || self.held_bytes >= MAX_HELD_BYTES;
        let may_come = if over { 0 } else { self.rules.records - self.seen };
        if self.trapped * 100 > self.rules.traps * (self.seen + may_come) {
            let (trapped, seen) = (self.trapped, self.seen);
            return Verdict::Refused(format!(
                "it fails on {trapped} of {seen} records that the version before it does not fail on"
            ));
        }
        if self.disputed * 100 > self.rules.rejects * (self.taken + may_come) {
            let (disputed, taken) = (self.disputed, self.taken);
            return Verdict::Refused(format!(
                "it rejects {disputed} of {taken} records that the version before it takes"
            ));
        }
        if over { Verdict::Kept } else { Verdict::Open }
    }

    /// What was taken over and held back, when the new version stays.
    pub fn keep(self) -> (Vec<Migrated>, Vec<(Arc<Batch>, Processed)>) {
        (self.migrated, self.held.into_iter().map(|held| (held.batch, held.processed)).collect())
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        plugin::{Grants, Limits, Plugin, PluginEngine, StageName, build::build},
        record::{Headers, Record},
        transform::StageSpec,
    };

    fn chain(guest: &str) -> Chain {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests").join(guest);
        let built = build(&folder, &mut |_| {}).unwrap();
        let plugin = Plugin::load(&PluginEngine::new().unwrap(), &built.wasm).unwrap();
        let name = StageName { pipeline: "p".into(), stage: "s".into() };
        let limits = Limits { grants: Grants::named(&["state"]), ..Limits::default() };
        Chain::new(vec![StageSpec { name, plugin, config: "{}".to_owned(), limits }]).unwrap()
    }

    fn batch(values: &[&str]) -> Arc<Batch> {
        let mut batch = Batch::new("t".into());
        for (value, offset) in values.iter().zip(0..) {
            let (value, headers) = (Some(value.as_bytes()), Headers::default());
            batch.push(Record { key: None, value, headers, timestamp_ms: 1, partition: 0, offset });
        }
        Arc::new(batch)
    }

    /// A version that traps on `panic` takes the place of one that keeps everything.
    fn trial(rules: Probation, values: &[&str]) -> (Trial, Chain, Option<Processed>) {
        let (mut old, mut new) = (chain("hostile"), chain("misbehave"));
        new.adopt(&mut old);
        let mut trial = Trial::new(old, rules, Vec::new());
        let batch = batch(values);
        let processed = new.run(batch.clone()).unwrap();
        let judged = trial.judge(&mut new, batch, processed);
        (trial, new, judged)
    }

    #[test]
    fn one_trap_that_the_version_before_does_not_have_puts_it_back_and_the_record_runs_on_that_one() {
        let (trial, mut new, judged) = trial(Probation::default(), &["a", "panic", "b", "error"]);
        assert!(judged.is_none(), "held back");
        let Verdict::Refused(why) = trial.verdict(true) else { panic!("it stays") };
        assert_eq!(why, "it fails on 1 of 4 records that the version before it does not fail on");
        let (mut old, held) = trial.put_back(&mut new);
        let again = old.run(held[0].clone()).unwrap();
        assert_eq!((held.len(), again.write.len(), again.rejected.len()), (1, 4, 0));
    }

    #[test]
    fn how_many_traps_are_too_many_is_a_setting_and_rejects_are_counted_apart() {
        let rules = |traps, rejects| Probation { records: 4, traps, rejects, ..Probation::default() };
        let values = ["a", "panic", "b", "error"];
        let verdict = |rules| trial(rules, &values).0.verdict(false);
        assert!(matches!(verdict(rules(24, 100)), Verdict::Refused(why) if why.contains("fails on 1 of 4")));
        assert!(matches!(verdict(rules(25, 49)), Verdict::Refused(why) if why.contains("rejects 2 of 4")));
        assert!(matches!(verdict(rules(25, 50)), Verdict::Kept));
        assert!(
            matches!(trial(rules(0, 0), &["a", "b", "c", "d"]), (_, _, Some(_))),
            "nothing is held up while both agree"
        );
    }
}
