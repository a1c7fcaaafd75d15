//! A few bytes that are expected at a place, compared all at once.

use std::array;

/// Most bytes.
pub(super) const GAP: usize = 32;
const WORDS: usize = GAP / 8;

/// What stands between two values: white space, punctuation, keys.
pub(super) struct Gap {
    /// The gap, then zeros.
    words: [u64; WORDS],
    /// All ones for each byte of the gap.
    mask: [u64; WORDS],
    length: usize,
}

impl Gap {
    /// One that is longer than [`GAP`] equals nothing.
    pub(super) fn new(gap: &[u8]) -> Self {
        let (words, mask) = if gap.len() <= GAP {
            let mask = array::from_fn(|word| first_bytes(gap.len().saturating_sub(8 * word)));
            (words(&padded(gap)), mask)
        } else {
            // Too long to remember, but its place must be taken: with an empty mask these bytes equal nothing.
            ([1; WORDS], [0; WORDS])
        };
        Self { words, mask, length: gap.len() }
    }

    #[inline]
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether `rest` begins with it.
    #[inline]
    pub(super) fn begins(&self, rest: &[u8]) -> bool {
        match rest.first_chunk() {
            Some(chunk) => self.equals(chunk),
            // No gap has a zero byte, so that the padding never looks like the end of one.
            None => self.equals(&padded(rest)),
        }
    }

    #[inline]
    fn equals(&self, chunk: &[u8; GAP]) -> bool {
        let known = self.words.into_iter().zip(self.mask);
        words(chunk)
            .into_iter()
            .zip(known)
            .fold(0, |different, (word, (known, mask))| different | ((word & mask) ^ known))
            == 0
    }
}

/// At most `GAP` bytes, then zeros.
fn padded(bytes: &[u8]) -> [u8; GAP] {
    let mut padded = [0; GAP];
    if let Some(to) = padded.get_mut(..bytes.len()) {
        to.copy_from_slice(bytes);
    }
    padded
}

/// All ones in the first `bytes` bytes of a word, or in all eight.
fn first_bytes(bytes: usize) -> u64 {
    if bytes < 8 { (1 << (8 * bytes)) - 1 } else { u64::MAX }
}

#[inline]
fn words(bytes: &[u8; GAP]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, eight) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*eight);
    }
    words
}
