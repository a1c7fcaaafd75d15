//! Dead letters on their way back: which letters a batch is made of, and which have been dealt with.

use std::collections::BTreeMap;

/// What is known of a batch whose records are taken out of dead letters. Its records stand where they came from first.
#[derive(Debug, Clone, Default)]
pub struct Letters {
    /// Number of the replay.
    pub replay: u64,
    /// How often each record was tried before.
    pub attempts: Vec<u64>,
    /// The letters that are dealt with once the batch is durable.
    pub handled: Handled,
}

/// Places of records in topics, as half-open intervals of offsets. What touches becomes one interval, so that a topic that
/// is dealt with from its beginning costs one for each partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handled {
    topics: BTreeMap<String, BTreeMap<i32, BTreeMap<i64, i64>>>,
}

impl Handled {
    /// None at all.
    pub const fn none() -> Self {
        Self { topics: BTreeMap::new() }
    }

    /// Adds the offsets from `from` up to, and not including, `to`.
    pub fn add(&mut self, topic: &str, partition: i32, from: i64, to: i64) {
        if from >= to {
            return;
        }
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.to_owned(), BTreeMap::new());
        }
        let Some(intervals) = self.topics.get_mut(topic).map(|topic| topic.entry(partition).or_default()) else {
            return;
        };
        let (mut begin, mut end) = (from, to);
        // The last one that begins before the new one ends reaches furthest; those before it may touch as well.
        while let Some((first, last)) = intervals.range(..=end).next_back().map(|(first, last)| (*first, *last)) {
            if last < begin {
                break;
            }
            intervals.remove(&first);
            (begin, end) = (begin.min(first), end.max(last));
        }
        intervals.insert(begin, end);
    }

    /// Whether a record is among them.
    pub fn contains(&self, topic: &str, partition: i32, offset: i64) -> bool {
        let intervals = self.topics.get(topic).and_then(|topic| topic.get(&partition));
        let before = intervals.and_then(|intervals| intervals.range(..=offset).next_back());
        before.is_some_and(|(_, end)| offset < *end)
    }

    /// Up to where a partition of a topic has anything among them.
    pub fn end(&self, topic: &str, partition: i32) -> Option<i64> {
        self.topics.get(topic)?.get(&partition)?.values().next_back().copied()
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Handled) {
        for (topic, partition, from, to) in other.iter() {
            self.add(topic, partition, from, to);
        }
    }

    /// Topic, partition, first offset, and the offset behind the last.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32, i64, i64)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().flat_map(move |(partition, intervals)| {
                intervals.iter().map(move |(from, to)| (topic.as_str(), *partition, *from, *to))
            })
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_touches_becomes_one_interval() {
        let mut handled = Handled::default();
        for (from, to) in [(5, 7), (0, 2), (9, 9), (2, 5)] {
            handled.add("t", 1, from, to);
        }
        handled.add("t", 2, 0, 1);
        assert_eq!(handled.iter().collect::<Vec<_>>(), [("t", 1, 0, 7), ("t", 2, 0, 1)]);
        assert_eq!((handled.end("t", 1), handled.end("t", 3), handled.end("u", 1)), (Some(7), None, None));
        assert!(!handled.contains("u", 1, 0));
    }

    proptest! {
        #[test]
        fn holds_what_was_added_and_nothing_else(added in prop::collection::vec((0..60i64, 0..20i64), 0..20)) {
            let (mut handled, mut set) = (Handled::default(), BTreeSet::new());
            for (from, length) in added {
                handled.add("t", 0, from, from + length);
                set.extend(from..from + length);
            }
            for offset in -1..90 {
                prop_assert_eq!(handled.contains("t", 0, offset), set.contains(&offset), "{}", offset);
            }
            let intervals: Vec<_> = handled.iter().collect();
            prop_assert!(intervals.windows(2).all(|pair| pair[0].3 < pair[1].2), "{:?}", intervals);
            let mut merged = Handled::default();
            merged.merge(&handled);
            prop_assert_eq!(merged, handled);
        }
    }
}
