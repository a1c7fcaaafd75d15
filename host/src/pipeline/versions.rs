//! Which version of which plugin has run since which offset.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;

use crate::{record::Positions, transform::Author};

/// Entries that are kept in memory; the file has all.
const KEPT: usize = 2_000;

/// From when on which versions ran.
#[derive(Debug, Clone, Serialize)]
pub struct Began {
    /// Unix milliseconds.
    pub time_ms: i64,
    /// `started`, `swapped` or `put back`.
    pub event: &'static str,
    /// Why the version before was given up, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The stages, in order.
    pub stages: Vec<Ran>,
    /// How long it held a batch up, of those the longest: the first for the swap itself, and each that was judged by the
    /// version before as well, while this one was on probation, for that. In microseconds.
    pub pause_us: u64,
    /// Of each partition, the first offset that they handled. A partition that is left out: from its first one on.
    pub since: Vec<(i32, i64)>,
}

/// A version of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// The stage's name.
    pub stage: String,
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// SHA-256 of the component.
    pub sha256: String,
}

/// The log of versions of one pipeline: in memory, and in `versions.jsonl` beside its state. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Versions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pipeline: String,
    file: PathBuf,
    entries: Mutex<Vec<Began>>,
}

impl Versions {
    /// The log of a pipeline whose state is below `data_dir`.
    pub fn new(pipeline: &str, data_dir: &Path) -> Self {
        let file = data_dir.join("state").join(pipeline).join("versions.jsonl");
        Self(Arc::new(Shared { pipeline: pipeline.to_owned(), file, entries: Mutex::default() }))
    }

    /// The pipeline's name.
    pub fn pipeline(&self) -> &str {
        &self.0.pipeline
    }

    /// What ran since this process began, oldest first.
    pub fn entries(&self) -> Vec<Began> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last `most` of those that began after that time, oldest first.
    pub fn after(&self, time_ms: i64, most: usize) -> Vec<Began> {
        let entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let later = entries.partition_point(|began| began.time_ms <= time_ms);
        let later = entries.get(later.max(entries.len().saturating_sub(most))..).unwrap_or_default();
        later.to_vec()
    }

    /// These versions handle what comes after `since`.
    pub(super) fn began(&self, authors: &[Author], since: &Positions, pause: Duration) {
        let event = if self.entries().is_empty() { "started" } else { "swapped" };
        self.add(event, None, authors, since, pause);
    }

    /// What ran last held a batch up for so long.
    pub(super) fn held_up(&self, pause: Duration) {
        let mut entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = entries.last_mut() {
            last.pause_us = last.pause_us.max(pause.as_micros() as u64);
        }
    }

    /// The versions before handle what comes after `since` again.
    pub(super) fn put_back(&self, authors: &[Author], since: &Positions, why: &str) {
        self.add("put back", Some(why.to_owned()), authors, since, Duration::ZERO);
    }

    fn add(&self, event: &'static str, why: Option<String>, authors: &[Author], since: &Positions, pause: Duration) {
        let ran = |author: &Author| Ran {
            stage: author.stage.clone(),
            plugin: author.plugin.clone(),
            version: author.version.clone(),
            sha256: author.sha256.clone(),
        };
        let stages = authors.iter().map(ran).collect();
        let (pause_us, since) = (pause.as_micros() as u64, since.iter().collect());
        let began = Began { time_ms: super::now_ms(), event, why, stages, pause_us, since };
        if let Err(error) = self.append(&began) {
            tracing::warn!(file = %self.0.file.display(), "cannot write the log of versions: {error}");
        }
        let mut entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= KEPT {
            entries.remove(0);
        }
        entries.push(began);
    }

    fn append(&self, began: &Began) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(began)?;
        line.push(b'\n');
        if let Some(folder) = self.0.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::OpenOptions::new().create(true).append(true).open(&self.0.file)?.write_all(&line)
    }
}
