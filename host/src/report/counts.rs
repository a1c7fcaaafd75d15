//! How often each text occurs, in bounded memory: texts go in one by one, the most frequent ones come out.
//!
//! The first [`Counts::new`]`(most)` different texts are counted exactly, from the first time that each shows up; later ones
//! are counted together as *other*. So a count that is shown is always exact, and whether a text among the others could
//! belong to the most frequent ones can be told.

use hashbrown::HashMap;

/// A longer text is cut: a name of a domain has at most 253 characters, and nobody reads more of anything else.
const MAX_BYTES: usize = 256;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    most: usize,
    counts: HashMap<String, u64>,
    other: u64,
}

impl Counts {
    /// Tells up to `most` texts apart.
    pub fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Counts one occurrence.
    pub fn add(&mut self, text: &str) {
        let text = shortened(text);
        if let Some(count) = self.counts.get_mut(text) {
            *count += 1;
        } else if self.counts.len() < self.most {
            self.counts.insert(text.to_owned(), 1);
        } else {
            self.other += 1;
        }
    }

    /// The `n` most frequent ones, those that are equally frequent in the order of their letters.
    pub fn top(&self, n: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.counts.iter().map(|(text, count)| (text.as_str(), *count)).collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(n);
        all
    }

    /// Different texts that were told apart.
    pub fn distinct(&self) -> usize {
        self.counts.len()
    }

    /// Occurrences of texts that were not told apart.
    pub fn other(&self) -> u64 {
        self.other
    }

    /// All occurrences.
    pub fn total(&self) -> u64 {
        self.counts.values().sum::<u64>() + self.other
    }

    /// Whether no other text can belong to the `n` most frequent ones.
    pub fn is_certain(&self, n: usize) -> bool {
        let top = self.top(n);
        self.other == 0 || (top.len() == n && top.last().is_some_and(|(_, count)| *count >= self.other))
    }
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first_and_equals_by_their_letters() {
        let mut counts = Counts::new(10);
        for text in ["b", "a", "c", "c", "a", "b", "c"] {
            counts.add(text);
        }
        assert_eq!(counts.top(2), [("c", 3), ("a", 2)]);
        assert_eq!((counts.distinct(), counts.other(), counts.total()), (3, 0, 7));
        assert!(counts.is_certain(2));
    }

    #[test]
    fn what_is_beyond_the_bound_is_counted_together_and_what_is_shown_is_exact() {
        let mut counts = Counts::new(2);
        for i in 0..500 {
            for text in ["often", "seldom", &format!("once {i}"), &format!("once more {i}")] {
                counts.add(text);
            }
        }
        assert_eq!(counts.top(3), [("often", 500), ("seldom", 500)]);
        assert_eq!((counts.distinct(), counts.other(), counts.total()), (2, 1_000, 2_000));
        assert!(!counts.is_certain(2), "a thousand others may be one text");
        for _ in 0..600 {
            counts.add("often");
            counts.add("seldom");
        }
        assert!(counts.is_certain(2));
        assert!(!counts.is_certain(3));
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let mut counts = Counts::new(2);
        counts.add(&"ä".repeat(10_000_000));
        counts.add(&"ä".repeat(128));
        assert_eq!(counts.top(9), [("ä".repeat(128).as_str(), 2)]);
    }
}
