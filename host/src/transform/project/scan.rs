//! One pass over a document: checks all of it and notes where the wanted fields are.
//!
//! Containers on the way to a wanted field are walked here, by a recursion that goes as deep as the longest pointer and
//! never beyond the depth limit; everything else is skipped by [`Document::skip`], which checks it just the same.

use std::mem;

use super::document::{self, Document, MAX_DEPTH, StringEnd};
use super::order::Order;
use super::text;
use super::trie::{ROOT, Target, Trie};
use crate::record::Kind;

/// What has been found of one node of the trie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub kind: Kind,
    /// Whether the text has escapes to decode.
    pub escaped: bool,
    /// Where the text begins: for a string after its quote, otherwise at the value's first byte.
    pub start: usize,
    /// Where the text ends (half open).
    pub end: usize,
}

/// What the scan keeps from record to record.
pub(super) struct Memory {
    /// One per node and one more, which takes what is not wanted.
    pub found: Vec<Found>,
    /// One per node, empty for those that have nothing below.
    orders: Vec<Order>,
    /// A key with escapes, decoded.
    key: Vec<u8>,
}

impl Memory {
    pub(super) fn new(trie: &Trie) -> Self {
        let absent = Found { kind: Kind::Absent, escaped: false, start: 0, end: 0 };
        Self {
            found: vec![absent; trie.len() + 1],
            orders: (0..trie.len()).map(|_| Order::default()).collect(),
            key: Vec::new(),
        }
    }
}

/// Scans a document whose UTF-8 has been checked. Returns the kind of its root, or `None` where it is not JSON; then
/// `memory.found` means nothing.
pub(super) fn scan(document: Document<'_>, trie: &Trie, memory: &mut Memory) -> Option<Kind> {
    let mut scan = Scan { document, trie, memory };
    let start = document.skip_space(0);
    let root = Target { node: ROOT, inner: true };
    let end = scan.value(start, root, 0)?;
    if document.skip_space(end) != document.bytes.len() {
        return None;
    }
    document.byte(start).map(document::kind)
}

struct Scan<'a> {
    document: Document<'a>,
    trie: &'a Trie,
    memory: &'a mut Memory,
}

impl Scan<'_> {
    /// Reads the value at `at`, or after white space there, and notes it. `depth` containers are open.
    #[inline]
    fn value(&mut self, at: usize, target: Target, depth: u32) -> Option<usize> {
        if !target.inner && self.document.byte(at)? == b'"' {
            let StringEnd { quote, escaped } = self.document.string(at + 1)?;
            self.note(target, Found { kind: Kind::String, escaped, start: at + 1, end: quote });
            return Some(quote + 1);
        }
        self.any_value(at, target, depth)
    }

    #[inline(never)]
    fn any_value(&mut self, at: usize, target: Target, depth: u32) -> Option<usize> {
        let at = self.document.skip_space(at);
        let first = self.document.byte(at)?;
        if target.inner {
            // Whatever was found below belongs to an earlier member of the same name, which this one replaces.
            for found in self.memory.found.get_mut(self.trie.below(target.node)).unwrap_or_default() {
                found.kind = Kind::Absent;
            }
        }
        let kind = document::kind(first);
        let (start, end, after, escaped) = match first {
            b'"' => {
                let StringEnd { quote, escaped } = self.document.string(at + 1)?;
                (at + 1, quote, quote + 1, escaped)
            }
            b'{' | b'[' => {
                let after = match first {
                    b'{' if target.inner => self.object(at + 1, target.node, depth)?,
                    b'[' if !self.trie.elements(target.node).is_empty() => self.array(at + 1, target.node, depth)?,
                    _ => self.document.skip(at, depth)?,
                };
                (at, after, after, false)
            }
            _ => {
                let after = self.document.scalar(at)?;
                (at, after, after, false)
            }
        };
        self.note(target, Found { kind, escaped, start, end });
        Some(after)
    }

    #[inline]
    fn note(&mut self, target: Target, found: Found) {
        if let Some(slot) = self.memory.found.get_mut(target.node) {
            *slot = found; // the last of several members of one name wins
        }
    }

    /// Reads an object at `node` from after its brace.
    fn object(&mut self, at: usize, node: usize, depth: u32) -> Option<usize> {
        if depth == MAX_DEPTH {
            return None;
        }
        // Taken out for the time of the walk: the nodes that are walked below are others.
        let mut order = self.memory.orders.get_mut(node).map(mem::take)?;
        let end = self.members(at, node, depth + 1, &mut order);
        if let Some(slot) = self.memory.orders.get_mut(node) {
            *slot = order;
        }
        end
    }

    fn members(&mut self, mut at: usize, node: usize, depth: u32, order: &mut Order) -> Option<usize> {
        let mut place = 0;
        loop {
            let rest = self.document.bytes.get(at..)?;
            let (value, target) = if let Some(expected) = order.expect(place, rest) {
                place = expected.next;
                // This record may have more white space before the value than the one that the gap was learned from.
                (at + expected.length, expected.target)
            } else {
                let next = self.document.skip_space(at);
                let key = match self.document.byte(next)? {
                    b'}' => return Some(next + 1),
                    b',' if place > 0 => self.document.skip_space(next + 1),
                    _ if place == 0 => next,
                    _ => return None,
                };
                let key = self.document.key(key)?;
                let target = self.member(node, key.text, key.escaped);
                order.learn(place, self.document.bytes.get(at..key.value)?, target);
                place += 1;
                (key.value, target)
            };
            at = self.value(value, target, depth)?;
        }
    }

    #[inline(never)]
    fn member(&mut self, node: usize, key: &[u8], escaped: bool) -> Target {
        if !escaped {
            return self.trie.member(node, key);
        }
        self.memory.key.clear();
        text::decode(key, &mut self.memory.key);
        self.trie.member(node, &self.memory.key)
    }

    /// Reads an array at `node` from after its bracket.
    fn array(&mut self, at: usize, node: usize, depth: u32) -> Option<usize> {
        if depth == MAX_DEPTH {
            return None;
        }
        let mut wanted = self.trie.elements(node).iter().copied().peekable();
        let mut at = self.document.skip_space(at);
        if self.document.byte(at)? == b']' {
            return Some(at + 1);
        }
        for index in 0.. {
            let target = wanted.next_if(|(other, _)| *other == index).map_or(self.trie.nowhere(), |(_, target)| target);
            let end = self.value(at, target, depth + 1)?;
            at = self.document.skip_space(end);
            match self.document.byte(at)? {
                b',' => at += 1,
                b']' => return Some(at + 1),
                _ => return None,
            }
        }
        None
    }
}
