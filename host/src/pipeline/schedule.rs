//! A pipeline that runs at set times: waits for each, lets it run to its end, and counts what became of the runs.
//!
//! - A run that is still going when the next one is due is let go on; the time is skipped, and counted.
//! - Times that were missed, as the host did not run or the machine slept, are not made up for: each run takes up where the
//!   last one ended, so the next one handles what they would have. After a sleep one run begins at once.
//! - A run that fails is said and counted, and the next one begins at its time. The first failure is what the pipeline
//!   ends with.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Ending, Meter, Phase, PipelineError, Stop, Stopper, chain_of, stop_channel};
use crate::config::Schedule;

/// The clock may be set and the machine may sleep, so that it is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Skipped times that are counted one by one after a run; further ones are not.
const MOST_SKIPPED: u64 = 100_000;

/// What has become of the runs of a pipeline. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Runs(Arc<Mutex<Ran>>);

/// See [`Runs`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// When the next one is due, in Unix milliseconds; none while one is going, and where none will come.
    pub next_ms: Option<i64>,
    /// Runs that have begun.
    pub begun: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Times at which one was still going.
    pub skipped: u64,
}

impl Runs {
    /// As it is now.
    pub fn now(&self) -> Ran {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Ran> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who runs when.
pub(super) struct Scheduled<'a> {
    pub pipeline: &'a str,
    pub schedule: &'a Schedule,
    pub runs: &'a Runs,
    pub meter: &'a Meter,
    /// Unix milliseconds.
    pub clock: &'a (dyn Fn() -> i64 + Send + Sync),
}

impl Scheduled<'_> {
    /// Runs it at its times, until it is stopped or no further time comes.
    pub async fn until_stopped<F>(
        self,
        mut stop: Stop,
        mut run: impl FnMut(Stopper) -> F,
    ) -> Result<Ending, PipelineError>
    where
        F: Future<Output = Result<Ending, PipelineError>>,
    {
        let (pipeline, schedule) = (self.pipeline, self.schedule);
        let mut outcome = Ok(Ending::Drained);
        let mut after_ms = (self.clock)();
        self.meter.phase(Phase::Ended);
        while let Some(due_ms) = schedule.next_ms(after_ms) {
            self.runs.lock().next_ms = Some(due_ms);
            let due = schedule.shown(due_ms);
            self.meter.waiting(Some(format!("the next run, at {due}")));
            tracing::info!(pipeline, "next run at {due}");
            tokio::select! {
                () = self.wait(due_ms) => {}
                () = stop.draining() => break,
            }
            {
                let mut runs = self.runs.lock();
                (runs.next_ms, runs.begun) = (None, runs.begun + 1);
            }
            self.meter.waiting(None);
            tracing::info!(pipeline, "run of {due} begins");
            let (stopper, _) = stop_channel();
            let follow = tokio::spawn(stop.clone().pass_on(stopper.clone()));
            let result = run(stopper).await;
            follow.abort();
            // A clock that was set back must not bring the same time again.
            after_ms = (self.clock)().max(due_ms);
            let skipped = self.skipped(due_ms, after_ms);
            if skipped > 0 {
                self.runs.lock().skipped += skipped;
                tracing::warn!(pipeline, skipped, "the run of {due} was still going when the next was due");
            }
            match result {
                Ok(Ending::Drained) => tracing::info!(pipeline, "run of {due} ended"),
                // Only stopping makes it so.
                Ok(abandoned @ Ending::Abandoned { .. }) => outcome = outcome.and(Ok(abandoned)),
                Err(error) => {
                    self.runs.lock().failed += 1;
                    tracing::error!(pipeline, "run of {due} failed: {}", chain_of(&error));
                    outcome = outcome.and(Err(error));
                }
            }
            if stop.is_draining() {
                break;
            }
        }
        self.runs.lock().next_ms = None;
        self.meter.waiting(None);
        outcome
    }

    async fn wait(&self, due_ms: i64) {
        loop {
            let left = u64::try_from(due_ms.saturating_sub((self.clock)())).unwrap_or(0);
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left).min(LOOK_EVERY)).await;
        }
    }

    /// Times after `due_ms`, up to `now_ms`.
    fn skipped(&self, due_ms: i64, now_ms: i64) -> u64 {
        let (mut at_ms, mut skipped) = (due_ms, 0);
        while let Some(next_ms) = self.schedule.next_ms(at_ms).filter(|next_ms| *next_ms <= now_ms) {
            (at_ms, skipped) = (next_ms, skipped + 1);
            if skipped == MOST_SKIPPED {
                break;
            }
        }
        skipped
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use std::{cell::RefCell, path::Path};

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{config, state::Totals};

    const MINUTE: Duration = Duration::from_secs(60);
    /// 2026-11-26T08:02:00Z
    const BEGIN_MS: i64 = 1_795_680_120_000;

    fn every_five_minutes() -> Schedule {
        let text = "[[pipeline]]\nname = \"p\"\nschedule = \"*/5 * * * *\"\nuntil = \"caught-up\"\n\
                    source = { url = \"log:a\" }\nsink = { url = \"log:b\" }\n";
        config::parse(Path::new("p.toml"), text, &|_| None).unwrap().config.pipelines.remove(0).schedule.unwrap()
    }

    /// Runs on a clock that stands still while nothing waits, until `stop_after`; run `n` takes `lasts(n)`. Says when runs
    /// began, in minutes from the start, what became of them and how it ended.
    async fn run(
        stop_after: Duration,
        lasts: impl Fn(usize) -> Result<Duration, PipelineError>,
    ) -> (Vec<u64>, Ran, Result<Ending, PipelineError>) {
        let (schedule, runs, meter, start) =
            (every_five_minutes(), Runs::default(), Meter::new(Totals::default()), Instant::now());
        let clock = move || BEGIN_MS + i64::try_from(start.elapsed().as_millis()).unwrap();
        let (stopper, stop) = stop_channel();
        tokio::spawn(async move {
            sleep(stop_after).await;
            stopper.drain();
            std::future::pending::<()>().await;
        });
        let began = RefCell::new(Vec::new());
        let scheduled = Scheduled { pipeline: "p", schedule: &schedule, runs: &runs, meter: &meter, clock: &clock };
        let outcome = scheduled.until_stopped(stop, |stopper| {
            began.borrow_mut().push(start.elapsed().as_secs() / 60);
            let lasts = lasts(began.borrow().len());
            async move {
                let mut stop = stopper.listen();
                tokio::select! {
                    () = sleep(lasts?) => {}
                    () = stop.draining() => {}
                }
                Ok(Ending::Drained)
            }
        });
        let outcome = outcome.await;
        (began.into_inner(), runs.now(), outcome)
    }

    #[tokio::test(start_paused = true)]
    async fn runs_begin_at_their_times_and_stopping_ends_the_waiting() {
        let (began, ran, outcome) = run(MINUTE * 14, |_| Ok(MINUTE)).await;
        assert_eq!(began, [3, 8, 13]);
        assert_eq!(ran, Ran { next_ms: None, begun: 3, failed: 0, skipped: 0 });
        assert!(matches!(outcome, Ok(Ending::Drained)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_at_which_a_run_is_still_going_is_skipped_and_counted() {
        let (began, ran, _) = run(MINUTE * 30, |n| Ok(if n == 1 { MINUTE * 11 } else { MINUTE })).await;
        assert_eq!(began, [3, 18, 23, 28]);
        assert_eq!((ran.begun, ran.skipped), (4, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_fails_is_counted_and_the_next_one_begins_at_its_time() {
        let fails = |n| if n == 2 { Err(PipelineError::Broken("test")) } else { Ok(MINUTE) };
        let (began, ran, outcome) = run(MINUTE * 20, fails).await;
        assert_eq!(began, [3, 8, 13, 18]);
        assert_eq!((ran.begun, ran.failed), (4, 1));
        assert!(matches!(outcome, Err(PipelineError::Broken("test"))), "the end says so");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_stopped_with_its_pipeline() {
        let began = Instant::now();
        let (runs, ran, outcome) = run(MINUTE * 4, |_| Ok(MINUTE * 600)).await;
        assert_eq!((runs.len(), ran.begun), (1, 1));
        assert_eq!(began.elapsed(), MINUTE * 4);
        assert!(outcome.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_sleep_of_the_machine_one_run_begins_at_once_and_the_others_are_not_made_up_for() {
        let (schedule, runs, meter, start) =
            (every_five_minutes(), Runs::default(), Meter::new(Totals::default()), Instant::now());
        // Between the first and the second look at the clock, an hour has gone.
        let clock = move || {
            let awake = i64::try_from(start.elapsed().as_millis()).unwrap();
            BEGIN_MS + awake + if awake >= 10_000 { 3_600_000 } else { 0 }
        };
        let (stopper, stop) = stop_channel();
        let scheduled = Scheduled { pipeline: "p", schedule: &schedule, runs: &runs, meter: &meter, clock: &clock };
        let mut began = Vec::new();
        let outcome = scheduled.until_stopped(stop, |_| {
            began.push(start.elapsed().as_secs());
            if began.len() == 2 {
                stopper.drain();
            }
            std::future::ready(Ok(Ending::Drained))
        });
        outcome.await.unwrap();
        assert_eq!(began, [30, 180], "at the next look, and at the next time");
        assert_eq!((runs.now().begun, runs.now().skipped), (2, 11));
    }
}
