//! Counts what programs with tests print: their lines go in, the numbers of tests and the names of failed ones come out.
//!
//! Reads the plain text of Rust's own test harness and of the fault harness. Only counts; an exit code decides about failure as well.

use std::fmt;

/// The tests of one phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Tests that ran to their end, those that skipped themselves included.
    passed: usize,
    ignored: usize,
    pub(super) failed: Vec<String>,
    /// Tests that found no engine to run against, with the reason.
    pub(super) skipped: Vec<String>,
    /// Engines that could not be started.
    pub(super) missing: Vec<&'static str>,
}

impl Tally {
    /// Takes one line of output into account.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += number_before(counts, " passed");
            self.ignored += number_before(counts, " ignored");
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failed.push(name.to_owned());
        } else if let Some((name, verdict)) = line.strip_prefix("torture ").and_then(|rest| rest.split_once(" ... ")) {
            // A line of the fault harness, with what was found behind the verdict.
            if verdict.starts_with("ok") { self.passed += 1 } else { self.failed.push(name.to_owned()) }
        }
    }

    /// Whether no test was there at all.
    pub(super) fn is_empty(&self) -> bool {
        self.passed + self.ignored + self.failed.len() == 0
    }

    /// Whether nothing failed, and nothing was left out unless that was allowed.
    pub(super) fn is_clean(&self, allow_skip: bool) -> bool {
        let complete = self.skipped.is_empty() && self.missing.is_empty() && self.ignored == 0;
        self.failed.is_empty() && (complete || allow_skip)
    }
}

/// The number right before a word: 8 in `ok. 8 passed; 0 failed`.
fn number_before(text: &str, word: &str) -> usize {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.passed.saturating_sub(self.skipped.len());
        write!(out, "{passed} passed, {} failed, {} skipped", self.failed.len(), self.skipped.len() + self.ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn counts_over_several_test_binaries() {
        let tally = tally(
            "running 2 tests\ntest a::b ... ok\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 0.01s\n\n   Doc-tests x\ntest result: ok. 40 passed; 0 failed; 0 ignored; 0 measured\n",
        );
        assert_eq!(tally.to_string(), "42 passed, 0 failed, 0 skipped");
        assert!(tally.is_clean(false));
    }

    #[test]
    fn names_what_failed() {
        let tally = tally("test sink::keeps_order ... FAILED\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n");
        assert_eq!(tally.failed, ["sink::keeps_order"]);
        assert!(!tally.is_clean(true));
    }

    #[test]
    fn counts_the_scenarios_of_the_fault_harness() {
        let tally =
            tally("torture kills ... ok: 10 kills (8.7 s)\ntorture stop ... FAILED (2.0 s): the meter drifts\n");
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 0 skipped");
        assert_eq!(tally.failed, ["stop"]);
    }

    #[test]
    fn a_skipped_test_did_not_pass_and_needs_leave() {
        let mut tally = tally("test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured\n");
        tally.skipped = vec!["a (no kafka)".into(), "b (no kafka)".into()];
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 2 skipped");
        assert!(!tally.is_clean(false));
        assert!(tally.is_clean(true));
    }

    #[test]
    fn an_ignored_test_counts_as_skipped() {
        let tally = tally("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured\n");
        assert_eq!(tally.to_string(), "5 passed, 0 failed, 1 skipped");
        assert!(!tally.is_clean(false));
    }

    #[test]
    fn an_engine_that_could_not_be_started_is_a_failure_of_its_own() {
        let tally = Tally { missing: vec!["kafka"], ..Tally::default() };
        assert!(!tally.is_clean(false));
        assert!(tally.is_clean(true));
    }
}
