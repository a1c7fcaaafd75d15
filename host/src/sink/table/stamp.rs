//! Write timestamps: which of two records with the same key a table keeps.
//!
//! A row's write timestamp is its record's timestamp in **microseconds**, plus the offset modulo 1000 as the
//! tie-break between records of the same millisecond: `timestamp_ms * 1000 + offset % 1000`. So it depends on the
//! record alone: a replay writes the same again, and an older record never overwrites a newer one, however late or
//! in whatever batch it comes.
//!
//! Two things need more than the record, and only those:
//! - **Ties and wraps.** Within one millisecond, offsets a thousand apart collide and 1000 sorts before 999, and
//!   Cassandra would resolve a collision cell by cell, mixing two records. So the last keys are remembered, and a
//!   later offset with the same key and no older a millisecond is raised above the one before it.
//! - **Records without a timestamp** (very old Kafka formats) take the clock's at their first attempt. An offset
//!   would be no measure between them and rows that have a real time: they would lose against all of those in
//!   silence. What is lost: a replay after a restart may show an older row until it has caught up.

use std::time::{SystemTime, UNIX_EPOCH};

use hashbrown::HashMap;

/// Keys that are remembered at least: several batches' worth. Ties that are further apart than that would need
/// thousands of other records within the same millisecond.
const REMEMBERED: usize = 16 * 1024;

/// Where a record stands and when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Partition of the source.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
    /// Unix milliseconds; negative where unknown.
    pub timestamp_ms: i64,
}

/// Gives rows their write timestamps, and remembers those of the last keys.
#[derive(Debug, Default)]
pub struct Stamps {
    hasher: foldhash::fast::RandomState,
    recent: HashMap<u64, Given, foldhash::fast::FixedState>,
    /// The generation before `recent`; forgotten when `recent` is full.
    before: HashMap<u64, Given, foldhash::fast::FixedState>,
}

#[derive(Debug, Clone, Copy)]
struct Given {
    partition: i32,
    offset: i64,
    timestamp_ms: i64,
    stamp: i64,
}

impl Stamps {
    /// The write timestamp, in microseconds, of a row with that primary key (in any one encoding).
    pub fn stamp(&mut self, key: &[u8], moment: Moment) -> i64 {
        use std::hash::BuildHasher;
        let hash = self.hasher.hash_one(key);
        let known = self.recent.get(&hash).or_else(|| self.before.get(&hash)).copied();
        let given = known.map_or_else(|| first(moment), |known| after(known, moment));
        if self.recent.len() >= REMEMBERED {
            self.before = std::mem::take(&mut self.recent);
        }
        // An older record that comes late must not make the newer one's timestamp forgotten.
        let newest = known.filter(|known| known.stamp > given.stamp).unwrap_or(given);
        self.recent.insert(hash, newest);
        given.stamp
    }
}

fn first(moment: Moment) -> Given {
    let Moment { partition, offset, timestamp_ms } = moment;
    if timestamp_ms >= 0 {
        let stamp = timestamp_ms.saturating_mul(1_000).saturating_add(offset.rem_euclid(1_000));
        return Given { partition, offset, timestamp_ms, stamp };
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    Given { partition, offset, timestamp_ms: stamp / 1_000, stamp }
}

fn after(known: Given, moment: Moment) -> Given {
    let own = first(moment);
    let same_partition = known.partition == own.partition;
    // A retry. A dead letter of the same record may also be a newer report, told by its time.
    let same_time = moment.timestamp_ms < 0 || moment.timestamp_ms == known.timestamp_ms;
    if same_partition && known.offset == own.offset && same_time {
        return known;
    }
    // Order is a partition's; between partitions only the collision itself is avoided.
    let later = same_partition && own.offset >= known.offset && own.timestamp_ms >= known.timestamp_ms;
    let raise = if later { own.stamp <= known.stamp } else { !same_partition && own.stamp == known.stamp };
    if raise { Given { stamp: known.stamp.saturating_add(1), ..own } } else { own }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(offset: i64, timestamp_ms: i64) -> Moment {
        Moment { partition: 0, offset, timestamp_ms }
    }

    #[test]
    fn depends_on_the_record_alone() {
        assert_eq!(Stamps::default().stamp(b"a", at(12_345, 7)), 7_345);
        assert_eq!(Stamps::default().stamp(b"b", at(12_345, 7)), 7_345);
    }

    #[test]
    fn same_millisecond_ends_in_offset_order_across_a_wrap() {
        let mut stamps = Stamps::default();
        let first = stamps.stamp(b"a", at(999, 7));
        let wrapped = stamps.stamp(b"a", at(1_000, 7));
        let collided = stamps.stamp(b"a", at(1_999, 7));
        assert!(first < wrapped && wrapped < collided, "{first} {wrapped} {collided}");
    }

    #[test]
    fn a_retry_gets_the_same_again() {
        let mut stamps = Stamps::default();
        let first = stamps.stamp(b"a", at(999, 7));
        let second = stamps.stamp(b"a", at(1_000, 7));
        assert_eq!(stamps.stamp(b"a", at(999, 7)), first);
        assert_eq!(stamps.stamp(b"a", at(1_000, 7)), second);
    }

    #[test]
    fn an_older_record_stays_older_however_late_it_comes() {
        let mut stamps = Stamps::default();
        let newer = stamps.stamp(b"a", at(5, 100));
        assert!(stamps.stamp(b"a", at(6, 99)) < newer);
        assert_eq!(stamps.stamp(b"a", at(1_005, 100)), newer + 1);
    }

    #[test]
    fn a_newer_report_on_the_same_record_is_newer() {
        let mut stamps = Stamps::default();
        let first = stamps.stamp(b"a", at(7, 100));
        assert!(stamps.stamp(b"a", at(7, 101)) > first);
    }

    #[test]
    fn equal_offsets_of_two_partitions_do_not_collide() {
        let mut stamps = Stamps::default();
        let one = stamps.stamp(b"a", Moment { partition: 0, offset: 3, timestamp_ms: 7 });
        let other = stamps.stamp(b"a", Moment { partition: 1, offset: 3, timestamp_ms: 7 });
        assert_ne!(one, other);
    }

    #[test]
    fn records_without_a_timestamp_ascend_and_keep_theirs_in_a_retry() {
        let mut stamps = Stamps::default();
        let first = stamps.stamp(b"a", at(1, -1));
        let second = stamps.stamp(b"a", at(2, -1));
        assert!(second > first);
        assert_eq!(stamps.stamp(b"a", at(2, -1)), second);
        assert!(first > 1_600_000_000_000_000, "must be comparable with real times: {first}");
    }

    proptest! {
        #[test]
        fn ascends_with_the_offset_while_time_does_not_go_back(
            steps in prop::collection::vec((1i64..1_500, 0i64..2), 1..60),
        ) {
            let mut stamps = Stamps::default();
            let (mut offset, mut timestamp_ms, mut last) = (0, 1_000, 0);
            for (offsets, millis) in steps {
                offset += offsets;
                timestamp_ms += millis;
                let stamp = stamps.stamp(b"key", at(offset, timestamp_ms));
                prop_assert!(stamp > last);
                last = stamp;
            }
        }
    }
}
