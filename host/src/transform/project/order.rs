//! The order of an object's keys, as learned from the records before: most producers write the same keys in the same
//! order, so that comparing a few bytes with what stood at this place last time says which member begins.
//!
//! What is remembered is a whole gap: everything between the end of one value and the beginning of the next, that is
//! comma, white space, key and colon. It went through the grammar when it was learned; equal bytes in an equal state
//! mean the same. The state is whether a member precedes, so the gap in place 0, which has no comma, is compared with
//! an object's first member only, and the others never with it.

use super::{gap::Gap, trie::Target};

/// Objects with more members are rare, and some grow without end (maps from ids): the rest goes without.
const MAX_GAPS: usize = 64;

/// The gaps of one object, by place.
#[derive(Default)]
pub(super) struct Order {
    gaps: Vec<(Gap, Target)>,
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

impl Order {
    /// Whether `rest`, which begins where the value before ended, begins with the gap known for that place or the one
    /// after it: then a member was left out, and the places go on from there.
    #[inline]
    pub(super) fn expect(&self, place: usize, rest: &[u8]) -> Option<Expected> {
        let (gap, target) = self.gaps.get(place)?;
        if gap.begins(rest) {
            return Some(Expected { length: gap.length(), target: *target, next: place + 1 });
        }
        if place == 0 {
            return None; // the gaps in the other places begin with a comma
        }
        let (gap, target) = self.gaps.get(place + 1).filter(|(gap, _)| gap.begins(rest))?;
        Some(Expected { length: gap.length(), target: *target, next: place + 2 })
    }

    /// Remembers a gap that the grammar has passed.
    pub(super) fn learn(&mut self, place: usize, gap: &[u8], target: Target) {
        if place >= MAX_GAPS {
            return;
        }
        let known = (Gap::new(gap), target);
        match self.gaps.get_mut(place) {
            Some(before) => *before = known,
            // Every place is learned in its turn, so that this one is the next.
            None => self.gaps.push(known),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::transform::project::gap::GAP;

    fn target(node: usize) -> Target {
        Target { node, inner: false }
    }

    fn learned() -> Order {
        let mut order = Order::default();
        for (place, gap) in ["\"a\":", ",\"b\":", ",\"c\":", ",\"d\":"].into_iter().enumerate() {
            order.learn(place, gap.as_bytes(), target(place));
        }
        order
    }

    #[test]
    fn a_member_left_out_does_not_shift_those_behind_it() {
        let order = learned();
        let expected = order.expect(1, b",\"c\":1}").unwrap();
        assert_eq!((expected.length, expected.target, expected.next), (5, target(2), 3));
        let expected = order.expect(expected.next, b",\"d\":1,\"and more\":\"up to a whole chunk\"}").unwrap();
        assert_eq!((expected.length, expected.target, expected.next), (5, target(3), 4));
        assert!(order.expect(1, b",\"d\":1").is_none());
    }

    #[test]
    fn a_first_member_is_never_expected_behind_a_comma() {
        let order = learned();
        assert!(order.expect(0, b",\"b\":1").is_none());
        assert!(order.expect(0, b"\"a\":1").is_some());
        assert!(order.expect(1, b"\"a\":1").is_none());
    }

    #[test]
    fn the_end_of_a_record_is_no_part_of_a_gap() {
        let order = learned();
        for end in [&b""[..], b",", b",\"b\"", b",\"b\"\0"] {
            assert!(order.expect(1, end).is_none());
        }
        assert!(order.expect(1, b",\"b\":").is_some());
    }

    #[test]
    fn a_long_gap_takes_its_place_and_matches_nothing() {
        let mut order = learned();
        let long = [b'k'; GAP + 1];
        order.learn(1, &long, target(9));
        assert!(order.expect(1, &long).is_none());
        for byte in [0, 1] {
            assert!(order.expect(1, &[byte; 2 * GAP]).is_none());
        }
        assert_eq!(order.expect(2, b",\"c\":").unwrap().target, target(2));
        order.learn(1, &[b'k'; GAP], target(8));
        assert_eq!(order.expect(1, &long).unwrap().target, target(8));
    }
}
