//! The order of an object's keys, as learned from the records before: most producers write the same keys in the same
//! order, so that comparing a few bytes with what stood at this place last time says which member begins.
//!
//! What is remembered is a whole gap: everything between the end of one value and the beginning of the next, that is
//! comma, white space, key and colon. It went through the grammar when it was learned; equal bytes in an equal state
//! mean the same. The state is whether a member precedes, so the gap in place 0, which has no comma, is compared with
//! an object's first member only, and the others never with it.

use super::trie::Target;

const GAP: usize = 32;
/// Objects with more members are rare, and some grow without end (maps from ids): the rest goes without.
const MAX_GAPS: usize = 64;

/// The gaps of one object, by place.
#[derive(Default)]
pub(super) struct Order {
    gaps: Vec<Gap>,
}

/// What a gap that was seen before says about the member after it.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    /// Length of the gap.
    pub length: usize,
    /// Where the member leads.
    pub target: Target,
    /// The place of the next member.
    pub next: usize,
}

struct Gap {
    /// The gap, then zeros.
    bytes: [u64; GAP / 8],
    /// All ones for each byte of the gap.
    mask: [u64; GAP / 8],
    length: usize,
    target: Target,
}

impl Order {
    /// Whether `rest`, which begins where the value before ended, begins with the gap known for that place or the one
    /// after it: then a member was left out, and the places go on from there.
    #[inline]
    pub(super) fn expect(&self, place: usize, rest: &[u8]) -> Option<Expected> {
        let gap = self.gaps.get(place)?;
        if gap.begins(rest) {
            return Some(Expected { length: gap.length, target: gap.target, next: place + 1 });
        }
        if place == 0 {
            return None; // the gaps in the other places begin with a comma
        }
        let gap = self.gaps.get(place + 1).filter(|gap| gap.begins(rest))?;
        Some(Expected { length: gap.length, target: gap.target, next: place + 2 })
    }

    /// Remembers a gap that the grammar has passed.
    pub(super) fn learn(&mut self, place: usize, gap: &[u8], target: Target) {
        if place >= MAX_GAPS {
            return;
        }
        let gap = Gap::new(gap, target);
        match self.gaps.get_mut(place) {
            Some(known) => *known = gap,
            // Every place is learned in its turn, so that this one is the next.
            None => self.gaps.push(gap),
        }
    }
}

impl Gap {
    fn new(gap: &[u8], target: Target) -> Self {
        let mut bytes = [0; GAP];
        let mut mask = [0; GAP];
        if gap.len() <= GAP {
            bytes.iter_mut().zip(gap).for_each(|(to, from)| *to = *from);
            mask.iter_mut().zip(gap).for_each(|(to, _)| *to = 0xff);
        } else {
            // Too long to remember, but its place must be taken: with an empty mask these bytes equal nothing.
            bytes = [1; GAP];
        }
        Self { bytes: words(&bytes), mask: words(&mask), length: gap.len(), target }
    }

    #[inline]
    fn begins(&self, rest: &[u8]) -> bool {
        match rest.first_chunk() {
            Some(chunk) => self.equals(chunk),
            // No gap has a zero byte, so that the padding never looks like the end of one.
            None => {
                let mut padded = [0; GAP];
                padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                self.equals(&padded)
            }
        }
    }

    #[inline]
    fn equals(&self, chunk: &[u8; GAP]) -> bool {
        let pairs = words(chunk).into_iter().zip(self.mask).zip(self.bytes);
        pairs.fold(0, |different, ((word, mask), bytes)| different | ((word & mask) ^ bytes)) == 0
    }
}

#[inline]
fn words(bytes: &[u8; GAP]) -> [u64; GAP / 8] {
    let mut words = [0; GAP / 8];
    for (word, eight) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*eight);
    }
    words
}
