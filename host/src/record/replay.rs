//! What a crash may have left behind in a sink.

use std::collections::BTreeMap;

use super::Positions;

/// Records that may have been written before a crash, although nothing was committed: of each partition those below an
/// offset, at the earliest at a time. A sink whose rows expire counts their lifetime from there, so that a table after a
/// crash is the same as without it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    partitions: BTreeMap<i32, (i64, i64)>,
}

impl Replay {
    /// Says that records of a partition below `until` may have been written at `written_ms` (Unix milliseconds). What is
    /// known of the partition already stays: it is older.
    pub fn add(&mut self, partition: i32, until: i64, written_ms: i64) {
        self.partitions.entry(partition).or_insert((until, written_ms));
    }

    /// When a record may have been written first; `None` where it has not been.
    pub fn written_ms(&self, partition: i32, offset: i64) -> Option<i64> {
        self.partitions.get(&partition).filter(|(until, _)| offset < *until).map(|(_, written_ms)| *written_ms)
    }

    /// Forgets what is committed since.
    pub fn committed(&mut self, positions: &Positions) {
        self.partitions
            .retain(|partition, (until, _)| positions.next_offset(*partition).is_none_or(|next| next < *until));
    }

    /// Each partition with its offset and time.
    pub fn iter(&self) -> impl Iterator<Item = (i32, i64, i64)> + '_ {
        self.partitions.iter().map(|(partition, (until, written_ms))| (*partition, *until, *written_ms))
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_intended_counts_until_it_is_committed() {
        let mut replay = Replay::default();
        replay.add(1, 10, 5_000);
        replay.add(1, 20, 9_000);
        assert_eq!([9, 10].map(|offset| replay.written_ms(1, offset)), [Some(5_000), None]);
        assert_eq!(replay.written_ms(2, 0), None);
        replay.committed(&[(1, 9), (2, 50)].into_iter().collect());
        assert!(!replay.is_empty());
        replay.committed(&[(1, 10)].into_iter().collect());
        assert!(replay.is_empty());
    }
}
