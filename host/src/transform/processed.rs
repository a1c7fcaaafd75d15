//! What a chain made of a batch: everything that a retry needs, so that no retry ever runs a stage again.

use std::{sync::Arc, time::Duration};

use crate::{
    record::Positions,
    sink::WriteBatch,
    state::{Cause, Writes},
};

/// The fate of every record of a batch.
#[derive(Debug)]
pub struct Processed {
    /// Rows for the sink.
    pub write: Arc<WriteBatch>,
    /// Records that a stage rejected, in the order of the stages.
    pub rejected: Vec<Rejected>,
    /// Records that a stage dropped.
    pub dropped: Dropped,
    /// How many records splits added, by the record's index in the source batch.
    pub split: Vec<(u32, u64)>,
    /// Reached once all of this is durable.
    pub positions: Positions,
    /// State writes by stage, in the order of the stages. `Write::row` is the record's index in the source batch.
    pub writes: Arc<Vec<(Arc<str>, Writes)>>,
    /// Who did it, by index of the stage.
    pub authors: Arc<[Author]>,
    /// What each stage used for it.
    pub used: Vec<Used>,
}

/// Who dealt with a record: a stage and the version of its plugin, or the sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// The stage's name.
    pub stage: String,
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// SHA-256 of the component, in lower-case hex.
    pub sha256: String,
}

/// What a stage used for one batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// Records handed to its plugin.
    pub records: u64,
    /// Time in its plugin.
    pub time: Duration,
    /// Linear memory of its plugin afterwards, in bytes.
    pub memory: u64,
    /// What its plugin executed, in units of fuel, where that is counted.
    pub fuel: Option<u64>,
}

/// A record that a stage rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its index in the source batch.
    pub origin: u32,
    /// Index of the stage.
    pub stage: usize,
    /// `code` or `code: detail`.
    pub reason: String,
    /// The plugin did not reject it: it trapped on it, or broke a limit.
    pub trapped: bool,
}

/// Records that were left out on purpose, each with its cause. The causes are few.
#[derive(Debug, Default)]
pub struct Dropped {
    /// Why.
    pub causes: Vec<Cause>,
    /// Index in the source batch, and of the cause.
    pub records: Vec<(u32, u32)>,
}

impl Dropped {
    /// Adds a record that a stage dropped.
    pub(super) fn push(&mut self, origin: u32, stage: &str, reason: &[u8]) {
        let reason = String::from_utf8_lossy(reason);
        let code = crate::state::reason_code(&reason);
        let known = self.causes.iter().position(|cause| cause.stage == stage && cause.reason == code);
        let cause = known.unwrap_or_else(|| {
            self.causes.push(Cause::new(stage, code));
            self.causes.len() - 1
        });
        self.records.push((origin, cause as u32));
    }
}
