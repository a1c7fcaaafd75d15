//! Waiting between attempts: exponential, with jitter, up to a longest delay.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The delays of one run of failures.
pub(super) struct Backoff {
    builder: ExponentialBuilder,
    delays: ExponentialBackoff,
    longest: Duration,
    failures: u64,
}

impl Backoff {
    /// Delays that begin at 100 ms and double up to `longest`.
    pub fn new(longest: Duration) -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(FIRST_DELAY.min(longest))
            .with_max_delay(longest)
            .with_jitter()
            .without_max_times();
        Self { builder, delays: builder.build(), longest, failures: 0 }
    }

    /// How long to wait after one more failure.
    pub fn next(&mut self) -> Duration {
        self.failures += 1;
        self.delays.next().unwrap_or(self.longest).min(self.longest)
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// An attempt succeeded: the next failure waits briefly again.
    pub fn reset(&mut self) {
        if self.failures > 0 {
            (self.delays, self.failures) = (self.builder.build(), 0);
        }
    }
}
