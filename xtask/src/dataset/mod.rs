//! Seeded data sets of flat user records, for tests and measurements: a count and a seed go in, lines with the verdict
//! that each must get come out.
//!
//! The same two numbers give the same bytes everywhere. 2 % of the lines are invalid, for five reasons with several
//! variants each; 5 % repeat an earlier id, half of them with other content. Line `i` belongs to partition `i % 4`, so a
//! repeated id may show up in two partitions. Holds no more than eight bytes per line in memory.

mod dice;
mod fault;
mod files;
mod user;
mod words;

pub use dice::Dice;
pub use fault::Reason;
pub use files::{Truth, write};

use user::User;

/// How many partitions a data set is spread over.
pub const PARTITIONS: u64 = 4;

const INVALID_PERCENT: u64 = 2;
const DUPLICATE_PERCENT: u64 = 5;
/// Half of the duplicates repeat one of this many latest good records; the other half repeat any.
const RECENT: u64 = 1000;

/// What must become of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid, and the first of its id: it belongs into the table.
    First {
        /// The record's id.
        id: String,
    },
    /// Valid, but its id came earlier.
    Duplicate {
        /// The record's id.
        id: String,
        /// The line, counted from 0, that had the id first.
        of: u64,
        /// Whether the line repeats that one byte by byte.
        same_content: bool,
    },
    /// To be rejected.
    Invalid(Reason),
}

/// The partition of line `i`, counted from 0.
pub const fn partition(i: u64) -> u64 {
    i % PARTITIONS
}

/// The `count` lines of a seed, each with its verdict. A longer data set begins with the lines of a shorter one.
pub fn records(count: u64, seed: u64) -> impl Iterator<Item = (String, Verdict)> {
    Records { seed, next: 0, count, firsts: Vec::new(), spoiled: 0 }
}

struct Records {
    seed: u64,
    next: u64,
    count: u64,
    /// The lines with first records, from which duplicates are made anew instead of being kept.
    firsts: Vec<u64>,
    spoiled: usize,
}

impl Iterator for Records {
    type Item = (String, Verdict);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return None;
        }
        let line = self.next;
        self.next += 1;
        let mut dice = Dice::new(self.seed, line * 2 + 1);
        let chance = dice.below(100);
        if chance < INVALID_PERCENT {
            let (text, reason) = fault::spoil(user_of(self.seed, line), self.spoiled);
            self.spoiled += 1;
            return Some((text, Verdict::Invalid(reason)));
        }
        if chance < INVALID_PERCENT + DUPLICATE_PERCENT
            && let Some(of) = self.earlier(&mut dice)
        {
            return Some(repeat(self.seed, line, of, dice.percent(50)));
        }
        self.firsts.push(line);
        let user = user_of(self.seed, line);
        Some((user.line(), Verdict::First { id: user.text("id").to_owned() }))
    }
}

impl Records {
    /// One of the first records so far; none at the very beginning.
    fn earlier(&self, dice: &mut Dice) -> Option<u64> {
        let all = self.firsts.len() as u64;
        let from = if dice.percent(50) { all.saturating_sub(RECENT) } else { 0 };
        self.firsts.get(dice.between(from, all) as usize).copied()
    }
}

/// The user of a line, whatever the line makes of it. Even streams are users, odd ones decisions about lines.
fn user_of(seed: u64, line: u64) -> User {
    User::throw(&mut Dice::new(seed, line * 2))
}

/// The record of line `of` again, or a record with nothing in common but its id.
fn repeat(seed: u64, line: u64, of: u64, same_content: bool) -> (String, Verdict) {
    let original = user_of(seed, of);
    let id = original.text("id").to_owned();
    let text = if same_content {
        original.line()
    } else {
        let mut other = user_of(seed, line);
        other.set("id", user::Cell::Text(id.clone()));
        other.line()
    };
    (text, Verdict::Duplicate { id, of, same_content })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
