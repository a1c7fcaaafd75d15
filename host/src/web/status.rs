//! What a host shows of itself once a second: to the live page, and to `millstream top`.
//!
//! Sums, not rates: who looks computes rates over the window that they look at, and a lost answer loses nothing.

use std::{collections::BTreeMap, time::Instant};

use serde::{Deserialize, Serialize};

use super::{
    metrics::{changelog_bytes, counts},
    process::Process,
    report::has_table,
};
use crate::{
    config,
    pipeline::{Activity, Began, Figures, Handle, Histogram, Host, Phase, Reloads, Sample, ScheduledRuns, Setback},
    state,
};

/// Marks that are shown of what was before.
const MARKS: usize = 50;
/// Times of a schedule that are shown beforehand.
const NEXT_RUNS: usize = 3;
/// Most of an error's or a swap's words that are shown.
const MAX_WORDS: usize = 600;

/// A whole host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Of the host.
    pub version: String,
    /// Unix milliseconds.
    pub time_ms: i64,
    /// Since the host started.
    pub uptime_s: f64,
    /// The process.
    pub process: Process,
    /// In the order in which they were started.
    pub pipelines: Vec<Pipeline>,
}

/// One pipeline. Counts are since it first ran, times since this process began.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// What it waits for, or why it stands.
    pub why: Option<String>,
    /// Its source, without secrets.
    pub source: String,
    /// Its sink, without secrets.
    pub sink: String,
    /// Its dead-letter sink, without secrets.
    pub dead_letters_to: String,
    /// In order.
    pub stages: Vec<Stage>,
    /// Read from the source.
    pub consumed: u64,
    /// Added by stages.
    pub split: u64,
    /// Acknowledged by the sink.
    pub written: u64,
    /// Left out on purpose.
    pub dropped: Vec<Cause>,
    /// Acknowledged by the dead-letter sink.
    pub dead_lettered: Vec<Cause>,
    /// Zero, or records are lost or twice.
    pub unaccounted: i64,
    /// Records left in the source.
    pub lag: Option<u64>,
    /// The same by partition.
    pub lags: Vec<(i32, u64)>,
    /// Read and not durable yet.
    pub under_way: u64,
    /// Attempts that were repeated.
    pub retries: u64,
    /// Batches made durable.
    pub commits: u64,
    /// Seconds since the last of them.
    pub commit_age_s: Option<f64>,
    /// Seconds from read to durable.
    pub latency: Buckets,
    /// Versions that took over.
    pub swaps: u64,
    /// Versions that were put back.
    pub rollbacks: u64,
    /// Versions that were refused.
    pub refusals: u64,
    /// Size of the changelog's files.
    pub changelog_bytes: Option<u64>,
    /// Which versions began when; only those that were not told before.
    pub marks: Vec<Mark>,
    /// Dead letters of late; only those that were not told before.
    pub samples: Vec<Sample>,
    /// When it runs, where it does so at set times.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Whether it writes a table, whose figures are at `/report/` and its name.
    #[serde(default)]
    pub has_report: bool,
}

/// The times of a pipeline, and what has become of its runs since this process began.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Schedule {
    /// The cron expression and its time zone.
    pub at: String,
    /// When the next runs are due, on the clocks of the time zone.
    pub next: Vec<String>,
    /// Runs that have begun.
    pub begun: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Times at which one was still going.
    pub skipped: u64,
}

/// What a pipeline is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its parts are being opened.
    Opening,
    /// It is at work.
    Running,
    /// It waits for something that fails, and tries again.
    Waiting,
    /// A stage fails on record after record.
    Paused,
    /// It has ended in order.
    Ended,
    /// It has failed.
    Failed,
}

/// A stage, and the version that it runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Its plugin's name.
    pub plugin: String,
    /// Its plugin's version.
    pub version: String,
    /// SHA-256 of the component; empty until it has run.
    pub sha256: String,
    /// Records handed to it.
    pub records: u64,
    /// Batches that it has seen.
    pub batches: u64,
    /// Seconds in its plugin.
    pub busy_s: f64,
    /// Its plugin's linear memory, in bytes.
    pub memory: u64,
}

/// Records, and why they left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cause {
    /// The stage, or `sink`.
    pub stage: String,
    /// The reason's code.
    pub reason: String,
    /// How many.
    pub records: u64,
}

/// A histogram: how many values are in each bucket; the last has no bound.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Buckets {
    /// Upper bounds.
    pub bounds: Vec<f64>,
    /// One more than bounds.
    pub counts: Vec<u64>,
}

/// A moment at which other versions began to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    /// Unix milliseconds.
    pub time_ms: i64,
    /// `started`, `swapped`, `put back` or `refused`.
    pub event: String,
    /// Which versions, and why.
    pub words: String,
}

/// Up to where one reader was told.
#[derive(Debug, Default)]
pub struct Told {
    marks_ms: BTreeMap<String, i64>,
    samples: BTreeMap<String, u64>,
}

impl Status {
    /// As it is now, with what this reader was not told yet.
    pub(super) fn now(host: &Host, started: Instant, told: &mut Told) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_ms: crate::pipeline::now_ms(),
            uptime_s: started.elapsed().as_secs_f64(),
            process: Process::now(started),
            pipelines: host.handles().iter().map(|handle| Pipeline::of(handle, &host.reloads(), told)).collect(),
        }
    }
}

impl Pipeline {
    fn of(handle: &Handle, reloads: &Reloads, told: &mut Told) -> Self {
        let (figures, activity) = (handle.meter.figures(), handle.meter.activity());
        let (state, why) = state_of(&figures, &activity);
        let totals = &figures.totals;
        let counts = counts(handle);
        let config = &handle.config;
        let stages = if activity.stages.is_empty() {
            config.stages.iter().map(|stage| Stage::unknown(&stage.name)).collect()
        } else {
            activity.stages.iter().map(Stage::of).collect()
        };
        Self {
            name: handle.name.clone(),
            state,
            why: why.map(|why| shortened(&why)),
            source: config.source.display.clone(),
            sink: config.sink.display.clone(),
            dead_letters_to: config.dead_letters.display.clone(),
            stages,
            consumed: totals.consumed,
            split: totals.split,
            written: totals.written,
            dropped: causes(&totals.dropped),
            dead_lettered: causes(&totals.dead_lettered),
            unaccounted: i64::try_from(totals.drift()).unwrap_or(i64::MAX),
            lag: figures.lag,
            lags: activity.lags,
            under_way: activity.under_way,
            retries: figures.retries,
            commits: figures.commits,
            commit_age_s: activity.last_commit.map(|at| at.elapsed().as_secs_f64()),
            latency: Buckets::of(&activity.latency),
            swaps: counts.swaps,
            rollbacks: counts.rollbacks,
            refusals: counts.refusals,
            changelog_bytes: changelog_bytes(&handle.state_dir),
            marks: told.marks(handle, reloads),
            samples: told.samples(handle),
            schedule: handle.schedule.as_ref().map(|(schedule, runs)| Schedule::of(schedule, runs)),
            has_report: has_table(config),
        }
    }

    /// All that a stage or the sink rejected.
    pub fn dead_lettered_total(&self) -> u64 {
        self.dead_lettered.iter().map(|cause| cause.records).sum()
    }

    /// All that was left out on purpose.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(|cause| cause.records).sum()
    }
}

impl Schedule {
    fn of(schedule: &config::Schedule, runs: &ScheduledRuns) -> Self {
        let (now_ms, mut next) = (crate::pipeline::now_ms(), Vec::new());
        let mut due_ms = runs.next_ms.or_else(|| schedule.next_ms(now_ms));
        while let Some(at_ms) = due_ms.filter(|_| next.len() < NEXT_RUNS) {
            next.push(schedule.shown(at_ms));
            due_ms = schedule.next_ms(at_ms);
        }
        Self { at: schedule.to_string(), next, begun: runs.begun, failed: runs.failed, skipped: runs.skipped }
    }
}

impl Stage {
    fn unknown(name: &str) -> Self {
        let (name, plugin, version, sha256) = (name.to_owned(), String::new(), String::new(), String::new());
        Self { name, plugin, version, sha256, records: 0, batches: 0, busy_s: 0.0, memory: 0 }
    }

    fn of(stage: &crate::pipeline::StageActivity) -> Self {
        let author = &stage.author;
        Self {
            name: author.stage.clone(),
            plugin: author.plugin.clone(),
            version: author.version.clone(),
            sha256: author.sha256.clone(),
            records: stage.records,
            batches: stage.time.counts().iter().sum(),
            busy_s: stage.time.sum(),
            memory: stage.memory,
        }
    }
}

impl Buckets {
    fn of(histogram: &Histogram) -> Self {
        Self { bounds: histogram.bounds().to_vec(), counts: histogram.counts().to_vec() }
    }
}

impl Told {
    fn marks(&mut self, handle: &Handle, reloads: &Reloads) -> Vec<Mark> {
        let told = self.marks_ms.entry(handle.name.clone()).or_insert(i64::MIN);
        let mut marks: Vec<Mark> = handle.versions.after(*told, MARKS).iter().map(mark).collect();
        let own = handle.control.figures().last_refused;
        // A file that was refused as a whole is told here, too, unless the fault is this pipeline's own.
        let is_own = |whole: &Setback| own.as_ref().is_some_and(|own| own.time_ms.abs_diff(whole.time_ms) < 1_000);
        let whole = reloads.last_refused.clone().filter(|whole| !is_own(whole));
        let refused = [own, whole];
        for setback in refused.into_iter().flatten().filter(|setback| setback.time_ms > *told) {
            let words = shortened(&setback.why);
            marks.push(Mark { time_ms: setback.time_ms, event: "refused".to_owned(), words });
        }
        marks.sort_by_key(|mark| mark.time_ms);
        *told = marks.last().map_or(*told, |mark| mark.time_ms);
        marks
    }

    fn samples(&mut self, handle: &Handle) -> Vec<Sample> {
        let told = self.samples.entry(handle.name.clone()).or_default();
        let samples = handle.meter.samples(*told);
        *told = samples.last().map_or(*told, |sample| sample.number);
        samples
    }
}

fn mark(began: &Began) -> Mark {
    let stages = began.stages.iter().map(|ran| format!("{} {} ({:.8})", ran.stage, ran.version, ran.sha256));
    let stages: Vec<_> = stages.collect();
    let why = began.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let words = shortened(&format!("{}{why}", stages.join(", ")));
    Mark { time_ms: began.time_ms, event: began.event.to_owned(), words }
}

/// What a pipeline is doing, and the words to it.
pub(super) fn state_of(figures: &Figures, activity: &Activity) -> (State, Option<String>) {
    let waiting = figures.waiting().map(str::to_owned);
    match activity.phase {
        Phase::Failed => (State::Failed, activity.failure.clone()),
        // One that runs at set times waits for the next one.
        Phase::Ended => (State::Ended, waiting),
        _ if activity.broken.is_some() => (State::Paused, activity.broken.clone().map(|(_, why)| why)),
        _ if waiting.is_some() => (State::Waiting, waiting),
        Phase::Opening => (State::Opening, None),
        Phase::Running => (State::Running, None),
    }
}

fn causes(counts: &BTreeMap<state::Cause, u64>) -> Vec<Cause> {
    let one = |(cause, records): (&state::Cause, &u64)| Cause {
        stage: cause.stage.clone(),
        reason: cause.reason.clone(),
        records: *records,
    };
    counts.iter().map(one).collect()
}

fn shortened(words: &str) -> String {
    match words.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words.to_owned(),
    }
}
