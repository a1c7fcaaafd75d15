//! What stages made of a batch's records: keys, values and reasons, each list as a plugin handed it over.

use super::Slices;

/// A shorter list is copied behind the one before it.
const SHORT: usize = 4 << 10;

/// Items of several lists, numbered through.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// The number of its first item, and the list.
    lists: Vec<(usize, Slices)>,
}

impl Made {
    /// Takes a list over; gives the number of its first item.
    pub fn append(&mut self, list: Slices) -> usize {
        let first = self.len();
        match self.lists.last_mut() {
            Some((_, last)) if list.bytes() <= SHORT => last.extend(&list),
            _ => self.lists.push((first, list)),
        }
        first
    }

    /// The item of that number; empty where there is none.
    pub fn get(&self, item: usize) -> &[u8] {
        let behind = self.lists.partition_point(|(first, _)| *first <= item);
        let list = behind.checked_sub(1).and_then(|list| self.lists.get(list));
        list.map_or(&[], |(first, list)| list.get(item - first))
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.lists.last().map_or(0, |(first, list)| first + list.len())
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_numbered_through_lists_of_all_sizes() {
        let long = "x".repeat(SHORT + 1);
        let lists = [&["a", "", "b"][..], &[], &["c"], &[&long, ""], &["d"], &[], &[&long], &["e", "f"]];
        let mut made = Made::default();
        let mut expected: Vec<&[u8]> = Vec::new();
        for list in lists {
            assert_eq!(made.append(list.iter().map(|item| item.as_bytes()).collect()), expected.len());
            expected.extend(list.iter().map(|item| item.as_bytes()));
        }
        let found: Vec<_> = (0..made.len()).map(|item| made.get(item)).collect();
        assert_eq!(found, expected);
        assert_eq!(made.get(expected.len()), b"");
        assert!(made.lists.len() < lists.len() && Made::default().is_empty());
    }
}
