//! What became of the records of a pipeline, since it first ran: the conservation meter.
//!
//! Invariant, at every commit: `consumed + split = written + dropped + dead_lettered`.

use std::collections::BTreeMap;

/// Where and why records left a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// The stage, or `sink` where the sink refused the record.
    pub stage: String,
    /// Reason code: the text before the colon.
    pub reason: String,
}

/// Counts of records, in whole; they never go down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Read from the source.
    pub consumed: u64,
    /// Added by stages that split a record into several.
    pub split: u64,
    /// Acknowledged by the sink.
    pub written: u64,
    /// Left out on purpose, by cause.
    pub dropped: BTreeMap<Cause, u64>,
    /// Acknowledged by the dead-letter sink, by cause.
    pub dead_lettered: BTreeMap<Cause, u64>,
}

/// More causes than this are counted together as `other`, so that a plugin that puts a record's content into its
/// reason code cannot grow the meter without end.
pub(crate) const MAX_CAUSES: usize = 100;
pub(crate) const MAX_REASON_BYTES: usize = 64;

impl Cause {
    /// The cause for a plugin's reason, of which only the code counts.
    pub fn new(stage: &str, reason: &str) -> Self {
        let code = reason_code(reason);
        Self { stage: stage.to_owned(), reason: code.to_owned() }
    }
}

/// The code of a reason `code: detail`, at most 64 bytes of it; `unspecified` where it is empty.
pub fn reason_code(reason: &str) -> &str {
    let code = reason.split(':').next().unwrap_or(reason).trim();
    let code = code.get(..code.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or(code);
    if code.is_empty() { "unspecified" } else { code }
}

impl Totals {
    /// Counts one dropped record.
    pub fn drop_one(&mut self, cause: &Cause) {
        count(&mut self.dropped, cause, 1);
    }

    /// Counts one dead letter.
    pub fn dead_letter_one(&mut self, cause: &Cause) {
        count(&mut self.dead_lettered, cause, 1);
    }

    /// Adds counts.
    pub fn add(&mut self, more: &Totals) {
        self.consumed += more.consumed;
        self.split += more.split;
        self.written += more.written;
        for (mine, theirs) in [(&mut self.dropped, &more.dropped), (&mut self.dead_lettered, &more.dead_lettered)] {
            for (cause, records) in theirs {
                count(mine, cause, *records);
            }
        }
    }

    /// What was added since `earlier`.
    pub fn since(&self, earlier: &Totals) -> Totals {
        let minus = |now: &BTreeMap<Cause, u64>, earlier: &BTreeMap<Cause, u64>| {
            let added = |(cause, count): (&Cause, &u64)| {
                (cause.clone(), count.saturating_sub(earlier.get(cause).copied().unwrap_or_default()))
            };
            now.iter().map(added).filter(|(_, count)| *count > 0).collect()
        };
        Totals {
            consumed: self.consumed.saturating_sub(earlier.consumed),
            split: self.split.saturating_sub(earlier.split),
            written: self.written.saturating_sub(earlier.written),
            dropped: minus(&self.dropped, &earlier.dropped),
            dead_lettered: minus(&self.dead_lettered, &earlier.dead_lettered),
        }
    }

    /// All dropped records.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// All dead letters.
    pub fn dead_lettered_total(&self) -> u64 {
        self.dead_lettered.values().sum()
    }

    /// Records that are unaccounted for: zero at every commit, or the invariant is broken.
    pub fn drift(&self) -> i128 {
        let came = i128::from(self.consumed) + i128::from(self.split);
        let went = i128::from(self.written) + i128::from(self.dropped_total()) + i128::from(self.dead_lettered_total());
        came - went
    }
}

fn count(counts: &mut BTreeMap<Cause, u64>, cause: &Cause, records: u64) {
    if let Some(count) = counts.get_mut(cause) {
        *count += records;
        return;
    }
    let cause = match counts.len() < MAX_CAUSES {
        true => cause.clone(),
        false => Cause { reason: "other".to_owned(), stage: cause.stage.clone() },
    };
    *counts.entry(cause).or_default() += records;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_count_by_their_code() {
        assert_eq!(reason_code("bad_email: email"), "bad_email");
        assert_eq!(reason_code(""), "unspecified");
        assert_eq!(reason_code(&"ä".repeat(100)).len(), 64);
    }

    #[test]
    fn causes_are_bounded_and_conserved() {
        let mut totals = Totals::default();
        for i in 0..5_000 {
            totals.consumed += 1;
            totals.drop_one(&Cause::new("s", &format!("reason{i}")));
        }
        assert!(totals.dropped.len() <= MAX_CAUSES + 1);
        assert_eq!(totals.drift(), 0);
    }
}
