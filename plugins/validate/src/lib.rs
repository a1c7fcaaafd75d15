//! Lets through the records whose fields are there and look as they should; the others are rejected.
//!
//! What comes in are the kinds of the required fields and the texts of those with a rule; what goes out is, for each
//! record, nothing or the first fault in the order of the settings. The records themselves never come here.
//! See [`config`] for the settings and the reasons, [`rules`] for what each rule means.

pub mod config;
pub mod rules;

use millstream_sdk::{Batch, Cell, Column, Field, Kind, Outcome, Plugin, Setup, TextField, to_pointer};

use config::{Config, Test};
use rules::Rule;

/// The plugin: checks in their order, each with the reason for which it rejects.
pub struct Validate {
    /// Any declared field: all of them tell whether the record is an object at all.
    witness: Field,
    checks: Vec<Check>,
    /// By fault, see [`NO_FAULT`].
    reasons: Vec<String>,
}

enum Check {
    Present(Field),
    Text(TextField, Rule),
}

/// What is wrong with a record: 0 nothing, else one more than the place of its reason.
type Fault = u8;
const NO_FAULT: Fault = 0;
const NOT_JSON: Fault = 1;
const NOT_OBJECT: Fault = 2;
const FIRST_CHECK: Fault = 3;

impl Plugin for Validate {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        let mut reasons = vec!["not_json".to_owned(), "not_json: root is not an object".to_owned()];
        let mut checks = Vec::new();
        let mut witness = None;
        for check in setup.config::<Config>()?.checks()? {
            let pointer = to_pointer(&check.field)?;
            witness = witness.or_else(|| Some(setup.field(&pointer)));
            checks.push(match check.test {
                Test::Present => Check::Present(setup.field(&pointer)),
                Test::Rule(rule) => Check::Text(setup.text(&pointer), rule),
            });
            reasons.push(check.reason);
        }
        let witness = witness.ok_or("nothing to check: name a field in `required` or in `rules`")?;
        Ok(Self { witness, checks, reasons })
    }

    // Field by field, not record by record: short loops without inner ones are what the sandbox runs at full speed.
    fn batch(&mut self, batch: &Batch<'_>) -> Result<Outcome, String> {
        let mut faults = root_faults(batch.kinds(self.witness));
        for (check, fault) in self.checks.iter().zip(FIRST_CHECK..) {
            match check {
                Check::Present(field) => mark_missing(batch.kinds(*field), &mut faults, fault),
                Check::Text(field, rule) => mark_broken(batch.column(*field), rule, &mut faults, fault),
            }
        }
        let mut outcome = Outcome::with_capacity(faults.len());
        for fault in faults {
            match usize::from(fault).checked_sub(1).and_then(|place| self.reasons.get(place)) {
                Some(reason) => outcome.reject(reason),
                None => outcome.keep(),
            }
        }
        Ok(outcome)
    }
}

fn root_faults(kinds: &[u8]) -> Vec<Fault> {
    let fault = |kind: &u8| match *kind {
        kind if kind == Kind::NotJson as u8 => NOT_JSON,
        kind if kind == Kind::NotObject as u8 => NOT_OBJECT,
        _ => NO_FAULT,
    };
    kinds.iter().map(fault).collect()
}

fn mark_missing(kinds: &[u8], faults: &mut [Fault], fault: Fault) {
    for (kind, found) in kinds.iter().zip(faults) {
        let missing = *kind <= Kind::Null as u8;
        *found = if missing & (*found == NO_FAULT) { fault } else { *found };
    }
}

fn mark_broken(column: Column<'_>, rule: &Rule, faults: &mut [Fault], fault: Fault) {
    match rule {
        Rule::Email => mark_unless(column, faults, fault, rules::is_email),
        Rule::Uuid => mark_unless(column, faults, fault, rules::is_uuid),
        Rule::OneOf(choices) => mark_unless(column, faults, fault, |cell| choices.contains(cell)),
        Rule::Pattern(pattern) => mark_unless(column, faults, fault, |cell| rules::matches(pattern, cell)),
    }
}

#[inline]
fn mark_unless(column: Column<'_>, faults: &mut [Fault], fault: Fault, holds: impl Fn(Cell<'_>) -> bool) {
    for (cell, found) in column.cells().zip(faults) {
        if *found == NO_FAULT && !holds(cell) {
            *found = fault;
        }
    }
}

millstream_sdk::export!(Validate);

#[cfg(test)]
mod tests;
