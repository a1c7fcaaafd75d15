//! What became of the records.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Counts of records.
#[derive(Debug, Default)]
pub struct Counts {
    pub consumed: u64,
    pub written: u64,
    pub dropped: u64,
    pub rejected: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub fn reject(&mut self, reason: &'static str) {
        *self.rejected.entry(reason).or_default() += 1;
    }

    pub fn json(&self) -> Value {
        json!({
            "consumed": self.consumed,
            "written": self.written,
            "dropped": self.dropped,
            "dead_lettered": self.rejected.values().sum::<u64>(),
            "dead_lettered_by": self.rejected,
        })
    }
}
