//! A pipeline at work: reader → worker → writer, with bounded hand-overs between them.
//!
//! The reader fills batches, the worker runs the stages over them, the writer makes the result durable and commits. What
//! the order of these steps must be, and why, stands in [`writer`].

mod activity;
mod control;
mod copying;
mod dead_letter;
mod deliver;
mod histogram;
mod host;
mod ledger;
mod meter;
mod open;
mod prepare;
mod reader;
mod replay;
mod replayed;
mod retry;
mod run;
mod samples;
mod schedule;
mod standing;
mod stop;
mod swaps;
mod tally;
mod trial;
mod trying;
mod versions;
mod worker;
mod writer;

pub use activity::{Activity, Phase, StageActivity};
pub use control::{Control, Verdict};
pub use histogram::Histogram;
pub use host::{DRAIN_DEADLINE, Handle, Host, Report};
pub use meter::{Figures, Meter};
pub use prepare::{Prepared, prepare};
pub use replay::{Replacement, Replay, ReplayError};
pub use replayed::{CauseCount, ReplayLedger};
pub use run::{Ending, PipelineError, PipelineSpec, run};
pub use samples::Sample;
pub use schedule::{Ran as ScheduledRuns, Runs};
pub use stop::{Stop, Stopper, channel as stop_channel};
pub use swaps::{Reloads, Setback, Swaps};
pub use trying::{Mismatch, try_out};
pub use versions::{Began, Ran, Versions};

pub(crate) use run::now_ms;

/// An error with all its causes, in one line.
pub fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
