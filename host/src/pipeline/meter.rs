//! What a running pipeline shows of itself: its totals at the last commit, and what it is doing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::state::Totals;

/// The live figures of one pipeline. Cheap to clone; all clones are the same meter.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Mutex<Figures>>);

/// What a meter shows.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Since the pipeline first ran, restarts included.
    pub totals: Totals,
    /// As they were when this process began.
    pub at_start: Totals,
    /// Attempts to write that were repeated, since this process began.
    pub retries: u64,
    /// Commits since this process began.
    pub commits: u64,
    /// Records left in the source, where it can say.
    pub lag: Option<u64>,
    /// What it waits for, such as a sink that is down; `None` while all is well.
    pub waiting: Option<String>,
    /// When the first record was durable in the sink.
    pub first_written: Option<Instant>,
}

impl Meter {
    /// A meter that goes on from these totals.
    pub fn new(totals: Totals) -> Self {
        Self(Arc::new(Mutex::new(Figures {
            at_start: totals.clone(),
            totals,
            retries: 0,
            commits: 0,
            lag: None,
            waiting: None,
            first_written: None,
        })))
    }

    /// The figures as they are now.
    pub fn figures(&self) -> Figures {
        self.lock().clone()
    }

    /// Goes on from restored totals.
    pub(super) fn restore(&self, totals: Totals) {
        let mut figures = self.lock();
        figures.at_start = totals.clone();
        figures.totals = totals;
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

    pub(super) fn lag(&self, lag: Option<u64>) {
        self.lock().lag = lag;
    }

    pub(super) fn waiting(&self, for_what: Option<String>) {
        self.lock().waiting = for_what;
    }

    pub(super) fn retry(&self, why: String) {
        let mut figures = self.lock();
        figures.retries += 1;
        figures.waiting = Some(why);
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
