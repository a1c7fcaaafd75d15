//! What a running pipeline shows of itself: its totals at the last commit, and what it is doing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    activity::{Activity, Phase},
    dead_letter::Letter,
    samples::{Sample, Samples},
};
use crate::{record::Batch, state::Totals, transform::Processed};

/// The live figures of one pipeline. Cheap to clone; all clones are the same meter.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    figures: Mutex<Figures>,
    activity: Mutex<Activity>,
    samples: Samples,
}

/// What a meter shows.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Since the pipeline first ran, restarts included.
    pub totals: Totals,
    /// As they were when this process began.
    pub at_start: Totals,
    /// Attempts to read, write or commit that were repeated, since this process began.
    pub retries: u64,
    /// Commits since this process began.
    pub commits: u64,
    /// Records left in the source, where it can say.
    pub lag: Option<u64>,
    /// When the first record was durable in the sink.
    pub first_written: Option<Instant>,
    /// What it waits for behind the source, such as a sink that is down.
    waiting: Option<String>,
    /// Why the source cannot be read just now: apart from the other, as what was read before may be committed meanwhile.
    source_fails: Option<String>,
}

impl Figures {
    /// What it waits for, such as a sink that is down; `None` while all is well.
    pub fn waiting(&self) -> Option<&str> {
        self.waiting.as_deref().or(self.source_fails.as_deref())
    }
}

impl Meter {
    /// A meter that goes on from these totals.
    pub fn new(totals: Totals) -> Self {
        let figures = Figures {
            at_start: totals.clone(),
            totals,
            retries: 0,
            commits: 0,
            lag: None,
            first_written: None,
            waiting: None,
            source_fails: None,
        };
        Self(Arc::new(Shared { figures: Mutex::new(figures), activity: Mutex::default(), samples: Samples::default() }))
    }

    /// The figures as they are now.
    pub fn figures(&self) -> Figures {
        self.lock().clone()
    }

    /// What it is doing.
    pub fn activity(&self) -> Activity {
        self.doing().clone()
    }

    /// Dead letters of late that came after that number; for the next seconds some of those that come are kept.
    pub fn samples(&self, after: u64) -> Vec<Sample> {
        self.0.samples.after(after)
    }

    /// These went to the dead letters.
    pub(super) fn dead_letters<'a>(&self, source: &Batch, letters: impl Iterator<Item = Letter<'a>>) {
        self.0.samples.take(source, letters);
    }

    /// Goes on from restored totals.
    pub(super) fn restore(&self, totals: Totals) {
        self.doing().under_way = 0;
        let mut figures = self.lock();
        // What is restored of an earlier life of this process was there before only as far as it was then.
        if figures.commits == 0 || totals.consumed < figures.at_start.consumed {
            figures.at_start = totals.clone();
        }
        figures.totals = totals;
        figures.source_fails = None;
    }

    /// Partitions came with what had become of their records on other hosts.
    pub(super) fn taken_over(&self, grown: &Totals) {
        let mut figures = self.lock();
        figures.totals.add(grown);
        figures.at_start.add(grown);
    }

    /// Adds what a commit has made durable; complains where records are unaccounted for.
    pub(super) fn commit(&self, pipeline: &str, added: &Totals) {
        let mut figures = self.lock();
        if added.written > 0 && figures.first_written.is_none() {
            figures.first_written = Some(Instant::now());
        }
        figures.totals.add(added);
        figures.commits += 1;
        figures.waiting = None;
        let drift = figures.totals.drift();
        drop(figures);
        if drift != 0 {
            tracing::error!(
                pipeline,
                drift = drift as i64,
                "records are unaccounted for: consumed + split is not written + dropped + dead-lettered"
            );
        }
    }

    /// Records left in the source, by partition.
    pub(super) fn lags(&self, lags: Vec<(i32, u64)>) {
        self.lock().lag = (!lags.is_empty()).then(|| lags.iter().map(|(_, lag)| lag).sum());
        self.doing().lags = lags;
    }

    /// So many records were read.
    pub(super) fn read(&self, records: usize) {
        self.doing().under_way += records as u64;
    }

    /// A batch is durable; the sink took `write` for it.
    pub(super) fn batch(&self, batch: &Processed, write: Duration) {
        self.doing().batch(batch, write);
    }

    pub(super) fn phase(&self, phase: Phase) {
        self.doing().phase = phase;
    }

    pub(super) fn failed(&self, why: String) {
        let mut activity = self.doing();
        (activity.phase, activity.failure) = (Phase::Failed, Some(why));
    }

    /// A stage fails on record after record, or works again.
    pub(super) fn broken(&self, stage: Option<(&str, &str)>) {
        self.doing().broken = stage.map(|(stage, why)| (stage.to_owned(), why.to_owned()));
    }

    pub(super) fn waiting(&self, for_what: Option<String>) {
        self.lock().waiting = for_what;
    }

    pub(super) fn retry(&self, why: String) {
        let mut figures = self.lock();
        figures.retries += 1;
        figures.waiting = Some(why);
    }

    /// The source could not be read; it will be tried again.
    pub(super) fn source_failed(&self, why: String) {
        let mut figures = self.lock();
        figures.retries += 1;
        figures.source_fails = Some(why);
    }

    /// The source has answered.
    pub(super) fn source_works(&self) {
        self.lock().source_fails = None;
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doing(&self) -> MutexGuard<'_, Activity> {
        self.0.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
