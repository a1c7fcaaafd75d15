//! Byte strings end to end in one buffer: the shape in which records are kept and cross the plugin border.
//!
//! An item may be null (a Kafka record without key, a tombstone without value); a null item is also empty.

use std::ops::Range;

use super::spare;

/// A list of byte strings in one buffer; item `i` is `data[ends[i-1]..ends[i]]`, and item 0 begins at 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slices {
    ends: Vec<u32>,
    data: Vec<u8>,
    /// Ascending indexes of the items that are null rather than empty.
    nulls: Vec<u32>,
}

impl Slices {
    /// An empty list with room for `items` items of `bytes` bytes together.
    pub fn with_capacity(items: usize, bytes: usize) -> Self {
        Self { ends: Vec::with_capacity(items), data: Vec::with_capacity(bytes), nulls: Vec::new() }
    }

    /// Makes room for that many more items of `bytes` bytes together, if there is none at all in memory that was used before.
    pub fn reserve(&mut self, items: usize, bytes: usize) {
        self.ends.reserve(items);
        if self.data.capacity() == 0 {
            self.data = spare::take(bytes);
        }
        self.data.reserve(bytes);
    }

    /// Gives the memory of the bytes away, and is empty then.
    pub(super) fn give_away(&mut self) {
        spare::give(std::mem::take(&mut self.data));
        self.clear();
    }

    /// Takes a list as a plugin hands it over, or `None` where the ends do not ascend up to the data's length.
    pub fn from_parts(ends: Vec<u32>, data: Vec<u8>) -> Option<Self> {
        let last = ends.last().copied().unwrap_or(0);
        (ends.is_sorted() && last as usize == data.len()).then_some(Self { ends, data, nulls: Vec::new() })
    }

    /// Appends one item. The buffer holds at most `u32::MAX` bytes; batches are bounded far below that.
    pub fn push(&mut self, item: &[u8]) {
        self.data.extend_from_slice(item);
        self.seal();
    }

    /// Appends a null item.
    pub fn push_null(&mut self) {
        self.nulls.push(self.ends.len() as u32);
        self.seal();
    }

    /// Appends an item, or a null one.
    pub fn push_opt(&mut self, item: Option<&[u8]>) {
        match item {
            Some(item) => self.push(item),
            None => self.push_null(),
        }
    }

    /// Appends all items of another list.
    pub fn extend(&mut self, other: &Self) {
        let (first, bytes) = (self.len() as u32, self.data.len() as u32);
        self.data.extend_from_slice(&other.data);
        self.ends.extend(other.ends.iter().map(|end| bytes + end));
        self.nulls.extend(other.nulls.iter().map(|item| first + item));
    }

    /// The buffer, to append the bytes of the next item to; `seal` then ends the item.
    pub fn data_mut(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// Ends the item whose bytes were appended to `data_mut`.
    pub fn seal(&mut self) {
        debug_assert!(u32::try_from(self.data.len()).is_ok(), "batches are bounded far below 4 GiB");
        self.ends.push(self.data.len() as u32);
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all items together.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Item `i`; empty where it is null or out of range.
    pub fn get(&self, i: usize) -> &[u8] {
        self.range(i).and_then(|range| self.data.get(range)).unwrap_or_default()
    }

    /// Item `i`, or `None` where it is null or out of range.
    pub fn get_opt(&self, i: usize) -> Option<&[u8]> {
        let item = self.data.get(self.range(i)?)?;
        let null = item.is_empty() && self.nulls.binary_search(&(i as u32)).is_ok();
        (!null).then_some(item)
    }

    /// All items in order, null ones as empty.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// The ends, as they cross the plugin border.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The bytes, as they cross the plugin border.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Keeps only these runs of items, which ascend; what lies beyond the last item is passed over.
    pub fn keep(&mut self, runs: &[Range<usize>]) {
        let (mut kept, mut bytes, mut nulls) = (0, 0, Vec::new());
        for run in runs {
            let end = run.end.min(self.len());
            let start = run.start.min(end);
            let (first, last) = (self.begin(start), self.begin(end));
            // What is moved goes to the front, so that nothing is overwritten that is still to be read.
            self.data.copy_within(first..last, bytes);
            self.ends.copy_within(start..end, kept);
            let moved = kept..kept + (end - start);
            for end in self.ends.get_mut(moved.clone()).unwrap_or_default() {
                *end -= (first - bytes) as u32;
            }
            let was_null = |item: &&u32| (start..end).contains(&(**item as usize));
            nulls.extend(self.nulls.iter().filter(was_null).map(|item| item - (start - kept) as u32));
            (kept, bytes) = (moved.end, bytes + (last - first));
        }
        self.ends.truncate(kept);
        self.data.truncate(bytes);
        self.nulls = nulls;
    }

    /// Where item `i` begins, or, behind the last one, where that ends.
    fn begin(&self, i: usize) -> usize {
        i.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize)
    }

    /// Forgets all items and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.data.clear();
        self.nulls.clear();
    }

    fn range(&self, i: usize) -> Option<Range<usize>> {
        let end = *self.ends.get(i)? as usize;
        Some(self.begin(i)..end)
    }
}

impl<'a> FromIterator<&'a [u8]> for Slices {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(items: I) -> Self {
        let mut slices = Self::default();
        for item in items {
            slices.push(item);
        }
        slices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_items_are_told_apart() {
        let mut slices = Slices::default();
        slices.push(b"a");
        slices.push_null();
        slices.push(b"");
        assert_eq!(slices.get_opt(0), Some(&b"a"[..]));
        assert_eq!(slices.get_opt(1), None);
        assert_eq!(slices.get_opt(2), Some(&b""[..]));
        assert_eq!(slices.get_opt(3), None);
    }

    #[test]
    fn the_items_of_the_runs_are_kept_and_null_stays_null() {
        let mut slices = Slices::default();
        for item in [Some(&b"a"[..]), None, Some(b""), Some(b"bcd"), None, Some(b"e")] {
            slices.push_opt(item);
        }
        slices.keep(&[0..0, 1..4, 5..9]);
        let kept: Vec<_> = (0..slices.len()).map(|item| slices.get_opt(item)).collect();
        assert_eq!(kept, [None, Some(&b""[..]), Some(b"bcd"), Some(b"e")]);
        assert_eq!((slices.ends(), slices.data()), (&[0, 0, 3, 4][..], &b"bcde"[..]));
        slices.keep(&[]);
        assert_eq!(slices, Slices::default());
    }

    #[test]
    fn appended_items_follow_those_before_and_null_stays_null() {
        let list = |items: &[Option<&[u8]>]| {
            let mut slices = Slices::default();
            items.iter().for_each(|item| slices.push_opt(*item));
            slices
        };
        let mut all = Slices::default();
        all.extend(&list(&[Some(b"a"), None]));
        all.extend(&list(&[None, Some(b"bc"), Some(b"")]));
        all.extend(&Slices::default());
        assert_eq!(all, list(&[Some(b"a"), None, None, Some(b"bc"), Some(b"")]));
    }

    #[test]
    fn parts_with_wrong_ends_are_refused() {
        assert!(Slices::from_parts(vec![2, 1], vec![0; 1]).is_none());
        assert!(Slices::from_parts(vec![1], vec![0; 2]).is_none());
        assert!(Slices::from_parts(vec![], vec![0]).is_none());
        assert!(Slices::from_parts(vec![1, 1, 3], vec![0; 3]).is_some());
    }
}
