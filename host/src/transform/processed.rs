//! What a chain made of a batch: everything that a retry needs, so that no retry ever runs a stage again.

use crate::{
    record::Positions,
    sink::WriteBatch,
    state::{Cause, Writes},
};

/// The fate of every record of a batch.
#[derive(Debug)]
pub struct Processed {
    /// Rows for the sink.
    pub write: std::sync::Arc<WriteBatch>,
    /// Records that a stage rejected, in the order of the stages.
    pub rejected: Vec<Rejected>,
    /// How many records stages dropped, by cause.
    pub dropped: Vec<(Cause, u64)>,
    /// How many records splits added.
    pub split: u64,
    /// Reached once all of this is durable.
    pub positions: Positions,
    /// State writes of each stage, in the order of the stages. `Write::row` is the record's index in the source batch.
    pub writes: Vec<Writes>,
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
}

impl Processed {
    /// Counts a dropped record.
    pub(super) fn count_drop(dropped: &mut Vec<(Cause, u64)>, stage: &str, reason: &[u8]) {
        let reason = String::from_utf8_lossy(reason);
        let code = crate::state::reason_code(&reason);
        match dropped.iter_mut().find(|(cause, _)| cause.stage == stage && cause.reason == code) {
            Some((_, count)) => *count += 1,
            None => dropped.push((Cause::new(stage, code), 1)),
        }
    }
}
