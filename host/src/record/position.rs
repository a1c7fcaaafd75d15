//! Where a record stands in its source, and up to where a source has been read.

use std::collections::BTreeMap;

/// Up to where each partition of a source has been handled: **the next offset to read**, so that a half-open
/// interval `[0, next)` is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    next: BTreeMap<i32, i64>,
}

impl Positions {
    /// The next offset to read of a partition, if any of it has been handled.
    pub fn next_offset(&self, partition: i32) -> Option<i64> {
        self.next.get(&partition).copied()
    }

    /// Says that `offset` of `partition` and all before it are handled; never moves backwards.
    pub fn advance(&mut self, partition: i32, offset: i64) {
        self.set_next(partition, offset.saturating_add(1));
    }

    /// Says that all before `next` of `partition` is handled; never moves backwards.
    pub fn set_next(&mut self, partition: i32, next: i64) {
        let known = self.next.entry(partition).or_insert(next);
        *known = (*known).max(next);
    }

    /// Says exactly where a partition stands, whatever was known of it.
    pub fn reset(&mut self, partition: i32, next: Option<i64>) {
        match next {
            Some(next) => self.next.insert(partition, next),
            None => self.next.remove(&partition),
        };
    }

    /// Takes over whatever `other` has handled beyond this.
    pub fn merge(&mut self, other: &Positions) {
        for (partition, next) in other.iter() {
            self.set_next(partition, next);
        }
    }

    /// Partitions in ascending order with the next offset of each.
    pub fn iter(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        self.next.iter().map(|(partition, next)| (*partition, *next))
    }

    /// Whether nothing has been handled.
    pub fn is_empty(&self) -> bool {
        self.next.is_empty()
    }
}

/// Of two pairs of one partition the larger counts, as everywhere.
impl FromIterator<(i32, i64)> for Positions {
    fn from_iter<I: IntoIterator<Item = (i32, i64)>>(pairs: I) -> Self {
        let mut positions = Self::default();
        for (partition, next) in pairs {
            positions.set_next(partition, next);
        }
        positions
    }
}
