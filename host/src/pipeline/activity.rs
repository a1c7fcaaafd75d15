//! What a running pipeline is doing, batch by batch: sizes, times, memory, how far it is behind. For people and their
//! tools; nothing decides by it, and all of it begins anew with the process.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::histogram::{Histogram, RECORDS, SECONDS};
use crate::transform::{Author, Processed};

/// See the module.
#[derive(Debug, Clone)]
pub struct Activity {
    /// How far its life has come.
    pub phase: Phase,
    /// The stage that fails on record after record, and what it said last; the pipeline pauses for it.
    pub broken: Option<(String, String)>,
    /// Why it has failed.
    pub failure: Option<String>,
    /// Records that were read and are not durable yet.
    pub under_way: u64,
    /// Records left in the source, by partition, where it can say.
    pub lags: Vec<(i32, u64)>,
    /// When the last batch was durable.
    pub last_commit: Option<Instant>,
    /// Records of each batch.
    pub batch_records: Histogram,
    /// Seconds from a batch's being read to its being durable.
    pub latency: Histogram,
    /// Seconds that the sink took for a batch, repeated attempts included.
    pub write: Histogram,
    /// The stages that run, in order.
    pub stages: Vec<StageActivity>,
}

/// How far the life of a pipeline has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Its source, sink and state are being opened.
    #[default]
    Opening,
    /// It is at work.
    Running,
    /// It has ended in order.
    Ended,
    /// It has failed.
    Failed,
}

/// What one stage is doing.
#[derive(Debug, Clone)]
pub struct StageActivity {
    /// Who it is.
    pub author: Author,
    /// Records handed to it.
    pub records: u64,
    /// Seconds that it took for a batch.
    pub time: Histogram,
    /// Linear memory of its plugin, in bytes.
    pub memory: u64,
    /// What its plugin has executed, in units of fuel, where that is counted.
    pub fuel: Option<u64>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            phase: Phase::default(),
            broken: None,
            failure: None,
            under_way: 0,
            lags: Vec::new(),
            last_commit: None,
            batch_records: Histogram::new(RECORDS),
            latency: Histogram::new(SECONDS),
            write: Histogram::new(SECONDS),
            stages: Vec::new(),
        }
    }
}

impl Activity {
    /// A batch is durable; the sink took `write` for it.
    pub(super) fn batch(&mut self, batch: &Processed, write: Duration) {
        let records = batch.write.source.len() as u64;
        self.under_way = self.under_way.saturating_sub(records);
        self.last_commit = Some(Instant::now());
        self.batch_records.observe(records as f64);
        self.latency.observe(batch.write.source.read_at.elapsed().as_secs_f64());
        self.write.observe(write.as_secs_f64());
        if self.stages.len() != batch.authors.len()
            || self.stages.iter().zip(batch.authors.iter()).any(|(stage, author)| stage.author != *author)
        {
            self.change(&batch.authors);
        }
        for (stage, used) in self.stages.iter_mut().zip(&batch.used) {
            stage.records += used.records;
            stage.time.observe(used.time.as_secs_f64());
            stage.memory = used.memory;
            if let Some(fuel) = used.fuel {
                *stage.fuel.get_or_insert(0) += fuel;
            }
        }
    }

    /// Other versions run, or other stages; one that keeps its name keeps its counts.
    fn change(&mut self, authors: &[Author]) {
        let mut before: BTreeMap<String, StageActivity> =
            self.stages.drain(..).map(|stage| (stage.author.stage.clone(), stage)).collect();
        self.stages.extend(authors.iter().map(|author| {
            let kept = before.remove(&author.stage);
            let (records, time, fuel) = kept
                .map_or_else(|| (0, Histogram::new(SECONDS), None), |stage| (stage.records, stage.time, stage.fuel));
            StageActivity { author: author.clone(), records, time, memory: 0, fuel }
        }));
    }
}
