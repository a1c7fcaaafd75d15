//! The shape of whole documents, as learned from those before: where the same producer writes the same keys in the same
//! order, all that differs from record to record are the scalars.
//!
//! A shape is what stands between the scalars of one document, gap by gap, brackets and keys of all depths included. A
//! document with the same gaps and any scalars between them is JSON if that one was, has the same members at the same places,
//! and is read in one loop, without a thought for what is open. Any difference, and the grammar is asked (`scan`): a shape
//! decides nothing that it would not.

use super::{
    document::{Document, kind},
    gap::{GAP, Gap},
    scan::Found,
};
use crate::record::Kind;

/// Documents that take more are read by the grammar.
const MOST_STEPS: usize = 256;
/// Shapes that are kept: of raw records, of what stages make of them, and of the kinds of records that a topic mixes.
const SHAPES: usize = 4;
/// So many documents beyond half of them without a known shape, and learning pauses.
const PATIENCE: i32 = 8;
/// Documents for which it pauses: twice as many each time that it was in vain again.
const PAUSES: std::ops::RangeInclusive<u32> = 16..=1024;

/// One document's shape.
struct Shape {
    steps: Vec<Step>,
    /// Wanted nodes that it does not have.
    absent: Vec<usize>,
}

struct Step {
    gap: Gap,
    then: Then,
}

/// What follows a gap.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// A scalar that is noted at that node.
    Scalar(usize),
    /// An array or object that is wanted at that node begins.
    Open(usize, Kind),
    /// It has ended.
    Close(usize),
    /// The rest of a long gap, or nothing more.
    Gap,
}

impl Shape {
    /// Learns from a document that the grammar has passed. `wanted` are the nodes that are asked for, `found` what it has found
    /// of them. `None` where there are too many scalars.
    fn learn(document: Document<'_>, wanted: &[usize], found: &[Found]) -> Option<Self> {
        let nowhere = found.len() - 1;
        // What is to be noted at which place.
        let mut places: Vec<(usize, Then)> = Vec::new();
        let mut absent = Vec::new();
        for node in wanted {
            let what = found.get(*node)?;
            match what.kind {
                Kind::Absent => absent.push(*node),
                Kind::Array | Kind::Object => {
                    places.extend([(what.start, Then::Open(*node, what.kind)), (what.end, Then::Close(*node))]);
                }
                Kind::String => places.push((what.start - 1, Then::Scalar(*node))),
                _ => places.push((what.start, Then::Scalar(*node))),
            }
        }
        places.sort_by_key(|(place, _)| *place);
        let mut places = places.into_iter().peekable();
        let mut steps = Vec::new();
        let (mut at, mut gap) = (0, 0);
        loop {
            while let Some((_, bracket)) =
                places.next_if(|(place, then)| *place == at && !matches!(then, Then::Scalar(_)))
            {
                push(&mut steps, document.bytes.get(gap..at)?, bracket);
                gap = at;
            }
            let Some(byte) = document.byte(at) else { break };
            let after = match byte {
                b' ' | b'\n' | b'\t' | b'\r' | b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                    at += 1;
                    continue;
                }
                b'"' => document.string(at + 1)?.quote + 1,
                _ => document.scalar(at)?,
            };
            if byte == b'"' && document.byte(document.skip_space(after)) == Some(b':') {
                at = after; // a key
                continue;
            }
            let then = places.next_if(|(place, _)| *place == at).map_or(Then::Scalar(nowhere), |(_, then)| then);
            push(&mut steps, document.bytes.get(gap..at)?, then);
            if steps.len() > MOST_STEPS {
                return None;
            }
            (at, gap) = (after, after);
        }
        push(&mut steps, document.bytes.get(gap..)?, Then::Gap);
        Some(Self { steps, absent })
    }

    /// Reads a document of this shape; `false` where it has another one, and then `found` means nothing.
    #[inline]
    fn read(&self, document: Document<'_>, found: &mut [Found]) -> bool {
        self.follow(document, found) == Some(document.bytes.len())
    }

    #[inline]
    fn follow(&self, document: Document<'_>, found: &mut [Found]) -> Option<usize> {
        let mut at = 0;
        for step in &self.steps {
            if !step.gap.begins(document.bytes.get(at..)?) {
                return None;
            }
            at += step.gap.length();
            let node = match step.then {
                Then::Scalar(node) => node,
                Then::Open(node, kind) => {
                    *found.get_mut(node)? = Found { kind, escaped: false, start: at, end: at };
                    continue;
                }
                Then::Close(node) => {
                    found.get_mut(node)?.end = at;
                    continue;
                }
                Then::Gap => continue,
            };
            let first = document.byte(at)?;
            let (what, after) = if first == b'"' {
                let end = document.string(at + 1)?;
                let what = Found { kind: Kind::String, escaped: end.escaped, start: at + 1, end: end.quote };
                (what, end.quote + 1)
            } else {
                let after = document.scalar(at)?;
                (Found { kind: kind(first), escaped: false, start: at, end: after }, after)
            };
            *found.get_mut(node)? = what;
            at = after;
        }
        for node in &self.absent {
            found.get_mut(*node)?.kind = Kind::Absent;
        }
        Some(at)
    }
}

/// Adds a gap and what follows it; a long one takes several steps.
fn push(steps: &mut Vec<Step>, mut gap: &[u8], then: Then) {
    while let Some((head, rest)) = gap.split_at_checked(GAP).filter(|(_, rest)| !rest.is_empty()) {
        steps.push(Step { gap: Gap::new(head), then: Then::Gap });
        gap = rest;
    }
    steps.push(Step { gap: Gap::new(gap), then });
}

/// The shapes that are known.
pub(super) struct Shapes {
    /// The nodes that are asked for.
    wanted: Vec<usize>,
    /// Those that are met more often come first.
    known: Vec<Shape>,
    /// Rises with each document of a known shape, falls with each other one.
    score: i32,
    /// Documents from which nothing will be learned.
    pause: u32,
    next_pause: u32,
}

impl Shapes {
    pub(super) fn new(mut wanted: Vec<usize>) -> Self {
        wanted.sort_unstable();
        wanted.dedup();
        Self { wanted, known: Vec::new(), score: 0, pause: 0, next_pause: *PAUSES.start() }
    }

    /// Reads a document of a known shape; `false` where it has none of these.
    #[inline]
    pub(super) fn read(&mut self, document: Document<'_>, found: &mut [Found]) -> bool {
        let Some(place) = self.known.iter().position(|shape| shape.read(document, found)) else {
            self.score -= 1;
            return false;
        };
        if place > 0 {
            self.known.swap(place - 1, place);
        }
        self.score = (self.score + 1).min(PATIENCE);
        if self.score == PATIENCE {
            self.next_pause = *PAUSES.start();
        }
        true
    }

    /// Learns the shape of a document that has none of the known ones, and that the grammar has passed.
    pub(super) fn learn(&mut self, document: Document<'_>, found: &[Found]) {
        // An exception now and then is not worth it.
        if self.score > PATIENCE / 2 {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        if self.score < -PATIENCE {
            (self.score, self.pause) = (0, self.next_pause);
            self.next_pause = (2 * self.next_pause).min(*PAUSES.end());
            return;
        }
        if let Some(shape) = Shape::learn(document, &self.wanted, found) {
            self.known.truncate(SHAPES - 1);
            self.known.push(shape);
        }
    }
}
