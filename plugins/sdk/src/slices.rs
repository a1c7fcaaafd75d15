//! Byte strings end to end: the shape of keys, values and texts at the plugin border.

use crate::Slices;

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Slices {
    fn default() -> Self {
        Self { ends: Vec::new(), data: Vec::new() }
    }
}

impl Slices {
    /// An empty list with room for `items` items of `bytes` bytes together.
    pub fn with_capacity(items: usize, bytes: usize) -> Self {
        Self { ends: Vec::with_capacity(items), data: Vec::with_capacity(bytes) }
    }

    /// Appends one item.
    pub fn push(&mut self, item: &[u8]) {
        self.data.extend_from_slice(item);
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

    /// Item `i`; empty where there is none.
    pub fn get(&self, i: usize) -> &[u8] {
        let start = i.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.ends.get(i).map_or(start, |end| *end as usize);
        self.data.get(start..end).unwrap_or_default()
    }
}
