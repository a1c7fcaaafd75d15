//! What one stage makes of the rows of a batch: those that go on, and the fate of those that do not.
//!
//! A call that fails is undone and its rows are tried one by one, so that only the culprits are rejected.

use super::{
    Rejected, Stage,
    chain::ChainFault,
    processed::Dropped,
    work::{Next, Work},
};
use crate::{
    plugin::{CallError, Code, Outcome},
    sink::{Row, Text},
    state::{Seconds, Writes},
};

/// A plugin that fails on that many records in a row is taken to be broken, rather than the records.
pub(crate) const CIRCUIT: usize = 64;
/// One that takes the whole of a call's time counts for so many, as it holds the pipeline up for as long.
pub(crate) const TIMEOUT_COUNTS: usize = 16;

/// What left the batch, or was added to it, on the way.
#[derive(Default)]
pub(super) struct Fate {
    pub rejected: Vec<Rejected>,
    pub dropped: Dropped,
    pub split: Vec<(u32, u64)>,
}

/// Runs one stage over all rows, one by one where they fail together. Gives the state writes of the calls that succeeded.
pub(super) fn run_stage(
    index: usize,
    stage: &mut Stage,
    work: &mut Work,
    next: &mut Next,
    fate: &mut Fate,
    now: Seconds,
) -> Result<Writes, ChainFault> {
    let rows = work.rows.len();
    if rows == 0 {
        return Ok(Writes::default());
    }
    let error = match stage.call(work, 0..rows, now) {
        Ok(outcome) => {
            apply(index, stage, work, 0, outcome, next, fate);
            return Ok(stage.take_writes());
        }
        Err(failure) => failure.error,
    };
    stage.recover(&error)?;
    let mut writes = Writes::default();
    let mut failed = 0;
    let mut has_culprit = false;
    for row in 0..rows {
        match stage.call(work, row..row + 1, now) {
            Ok(outcome) => {
                failed = 0;
                apply(index, stage, work, row, outcome, next, fate);
                // Taken call by call, so that a later call that fails undoes only its own.
                writes.append(stage.take_writes());
            }
            Err(failure) => {
                has_culprit = true;
                stage.report(&failure, work, row);
                let error = failure.error;
                stage.recover(&error)?;
                failed += match error {
                    // It works, and says of itself that it cannot take the record.
                    CallError::Refused(_) => 0,
                    CallError::Timeout(_) => TIMEOUT_COUNTS,
                    _ => 1,
                };
                if failed >= CIRCUIT {
                    stage.undo(&writes);
                    return Err(ChainFault::Circuit(error));
                }
                let origin = work.rows.get(row).map_or(0, |row| row.origin);
                let trapped = !matches!(error, CallError::Refused(_));
                let reason = format!("{}: {error}", error.code());
                fate.rejected.push(Rejected { origin, stage: index, reason, trapped });
            }
        }
    }
    if !has_culprit {
        stage.report_batch(&error, rows);
    }
    Ok(writes)
}

/// Puts into effect what a call said of the rows from `first` on.
fn apply(
    index: usize,
    stage: &Stage,
    work: &mut Work,
    first: usize,
    outcome: Outcome,
    next: &mut Next,
    fate: &mut Fate,
) {
    if outcome.keeps_all() {
        next.keep_all(first..first + outcome.codes.len());
        return;
    }
    let Outcome { codes, out, splits, out_keys } = outcome;
    // All of the answer is taken over as it is, reasons too: copying new values out of it would cost more than keeping those.
    let mut out = work.made.append(out);
    let mut take = || {
        out += 1;
        out - 1
    };
    let mut keys = out_keys.map(|keys| work.made.append(keys)..);
    let mut splits = splits.iter();
    for (row, code) in (first..).zip(&codes) {
        let Some(old) = work.rows.get(row).copied() else { continue };
        let count = match code {
            Code::Keep => {
                next.keep(row);
                continue;
            }
            Code::Drop => {
                fate.dropped.push(old.origin, stage.name(), work.made.get(take()));
                continue;
            }
            Code::Reject => {
                let reason = String::from_utf8_lossy(work.made.get(take())).into_owned();
                fate.rejected.push(Rejected { origin: old.origin, stage: index, reason, trapped: false });
                continue;
            }
            Code::Replace => 1,
            Code::Split => splits.next().copied().unwrap_or_default(),
        };
        if count == 0 {
            fate.dropped.push(old.origin, stage.name(), b"split_into_none");
        }
        if count > 1 {
            fate.split.push((old.origin, u64::from(count - 1)));
        }
        for _ in 0..count {
            let value = Text::Made(take() as u32);
            let key = match keys.as_mut().and_then(Iterator::next) {
                Some(item) if work.made.get(item).is_empty() => Text::Null,
                Some(item) => Text::Made(item as u32),
                None => old.key,
            };
            next.add(Row { origin: old.origin, value, key });
        }
    }
}

/// Says of each write which record of the batch it belongs to, rather than which row of the stage.
pub(super) fn by_origin(mut writes: Writes, rows: &[Row]) -> Writes {
    for write in &mut writes.ops {
        if let Some(row) = rows.get(write.row as usize) {
            write.row = row.origin;
        }
    }
    writes
}
