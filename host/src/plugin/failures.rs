//! What of a plugin's failures is told: each reason once, in full; the rest are counted and summed up now and then.
//!
//! Kept per component, so that a version that is swapped in again, or begins anew, does not tell it all again. Which records
//! failed, and why, is in the dead letters.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use wasmtime::WasmBacktrace;

use super::CallError;

/// Time between two sums.
const SUM_UP: Duration = Duration::from_secs(10);
/// Reasons that are told in full; a trap's words may be made up by the plugin, a new one each time.
const MAX_REASONS: usize = 64;
/// Most of a reason that tells it from others.
const MAX_REASON_BYTES: usize = 200;
/// Most of a function's name that is shown; names are the plugin's own.
const MAX_FRAME_CHARS: usize = 200;

/// A call that came to nothing, and where in the plugin that was.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: CallError,
    /// A function per line, the innermost first; empty where the plugin was not stopped, but said so itself. Names are there
    /// where the component has a name section.
    pub backtrace: String,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self { error, backtrace: String::new() }
    }
}

/// What to tell of a failure.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// All of it, as the reason is new.
    InFull,
    /// How many there were that were not told.
    Sum(u64),
    /// Nothing, for now.
    Nothing,
}

/// The failures of one version of a plugin.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reasons: BTreeSet<String>,
    untold: u64,
    last_told: Option<Instant>,
}

impl Failures {
    /// Counts a failure.
    pub fn note(&self, error: &CallError, now: Instant) -> Told {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.reasons.len() < MAX_REASONS && inner.reasons.insert(reason(error)) {
            inner.last_told.get_or_insert(now);
            return Told::InFull;
        }
        inner.untold += 1;
        inner.sum(now)
    }

    /// What is to be told although nothing has failed just now.
    pub fn due(&self, now: Instant) -> Told {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sum(now)
    }
}

impl Inner {
    fn sum(&mut self, now: Instant) -> Told {
        let is_early = self.last_told.is_some_and(|last| now.saturating_duration_since(last) < SUM_UP);
        if self.untold == 0 || is_early {
            return Told::Nothing;
        }
        self.last_told = Some(now);
        Told::Sum(std::mem::take(&mut self.untold))
    }
}

/// What makes two failures the same. What a plugin says itself may differ from record to record: then its code does.
fn reason(error: &CallError) -> String {
    match error {
        CallError::Trap(words) => {
            let words = words.get(..words.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or_default();
            format!("{}: {words}", error.code())
        }
        _ => error.code().to_owned(),
    }
}

/// The functions that were under way, for people to read: one per line, each begun on a new one.
pub(super) fn backtrace(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    // The first line is a heading.
    let trace = trace.to_string();
    let frames = trace.lines().skip(1).map(|line| {
        let shown: String = line.trim().chars().take(MAX_FRAME_CHARS).collect();
        format!("\n    {}", shown.escape_debug())
    });
    frames.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once_and_the_rest_are_summed_up_every_ten_seconds() {
        let failures = Failures::default();
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let trap = |words: &str| CallError::Trap(words.to_owned());
        assert_eq!(failures.note(&trap("a"), at(0)), Told::InFull);
        assert_eq!(failures.note(&trap("b"), at(0)), Told::InFull);
        assert_eq!(failures.note(&CallError::Refused("1".to_owned()), at(0)), Told::InFull);
        for second in 0..10 {
            assert_eq!(failures.note(&trap("a"), at(second)), Told::Nothing);
        }
        assert_eq!(failures.note(&CallError::Refused("2".to_owned()), at(10)), Told::Sum(11));
        assert_eq!(failures.due(at(30)), Told::Nothing, "none since");
        assert_eq!(failures.note(&trap("b"), at(30)), Told::Sum(1));
        assert_eq!(failures.note(&trap("b"), at(31)), Told::Nothing);
        assert_eq!(failures.due(at(39)), Told::Nothing);
        assert_eq!(failures.due(at(40)), Told::Sum(1), "the last ones are told although no more come");
    }

    #[test]
    fn a_plugin_that_makes_up_reasons_does_not_fill_the_log_or_the_memory() {
        let failures = Failures::default();
        let now = Instant::now();
        let long = "ü".repeat(1 << 16);
        let told = (0..1_000).filter(|n| failures.note(&CallError::Trap(format!("{n} {long}")), now) == Told::InFull);
        assert_eq!(told.count(), MAX_REASONS);
    }
}
