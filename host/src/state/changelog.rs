//! The changelog of a pipeline: a folder of segments, each a file of frames, appended to and never changed.
//!
//! In come frames, out comes the state that they add up to. A frame that a crash tore is cut off at the next start; damage
//! anywhere else is an error and never skipped. Segments whose every entry has outlived its TTL are deleted; each segment
//! begins with all positions and totals, so that none of them is lost with an older one.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    Migrated, NewerState, Seconds, StageState, Totals, Writes,
    frame::{FrameWriter, Restore, Restored},
    segment::{FORMAT, MAKE, Segment, io_error, read_segment, segment_path, segments},
};
use crate::{
    config::Durability,
    record::{Handled, Positions, Replay},
};

/// A restore that takes longer says how far it is, this often.
const SAY_EVERY: Duration = Duration::from_secs(2);
/// A segment is closed at this size, or at an eighth of the longest TTL, so that expired entries go in good time.
const SEGMENT_BYTES: u64 = 64 << 20;

const APPEND: &str = "append to";

/// Why a changelog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChangelogError {
    /// An operation on a file failed.
    #[error("cannot {action} `{}`{}", path.display(), remedy(source))]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the folder open.
    #[error("another process uses the state in `{}`; stop it, or give this one another `data_dir`", .0.display())]
    Locked(PathBuf),
    /// A file is no segment at all.
    #[error(
        "`{}` is no changelog, although its name says so; restore the file from a backup, or move the folder away to begin \
         anew (records are then read again from the source's own position)", .0.display()
    )]
    Foreign(PathBuf),
    /// A segment of another version of the format.
    #[error(
        "`{}` has changelog format {found}, and this version reads format {FORMAT}; go on with the version that wrote it, or \
         move the folder away to begin anew (records are then read again from the source's own position)", path.display()
    )]
    Format {
        /// The segment.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// A plugin is too old for what is kept.
    #[error("`{}`: {newer}", folder.display())]
    Newer {
        /// The changelog's folder.
        folder: PathBuf,
        /// Which one, and how.
        newer: NewerState,
    },
    /// A frame inside a segment is damaged.
    #[error(
        "`{}` is damaged at byte {offset}: {what}; restore the file from a backup, or move the folder away to begin anew \
         (records are then read again from the source's own position)", path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the bad frame begins.
        offset: u64,
        /// What is wrong.
        what: String,
    },
}

impl ChangelogError {
    /// Whether trying again may help: the disk was full, say. Nothing else here passes by itself.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { action: APPEND | MAKE, .. })
    }
}

/// A pipeline's changelog, open for appending. One process at a time has it.
#[derive(Debug)]
pub struct Changelog {
    folder: PathBuf,
    durability: Durability,
    _lock: File,
    file: File,
    path: PathBuf,
    size: u64,
    opened_ms: i64,
    seq: u64,
    stores: StoreIds,
    /// Of which version the entries of each stage are.
    versions: BTreeMap<String, u32>,
    /// What was taken over from older versions and is to be durable with the next commit.
    migrated: Vec<Migrated>,
    positions: Positions,
    totals: Totals,
    replay: Replay,
    handled: Handled,
    longest_ttl_s: Option<Seconds>,
    /// Closed segments, oldest first, with the time of their last frame.
    closed: Vec<(PathBuf, i64)>,
    buffer: Vec<u8>,
}

/// The number of each store in every segment that this process writes: its place in the list.
#[derive(Debug, Clone, Default)]
pub(super) struct StoreIds(pub(super) Vec<(String, String)>);

impl StoreIds {
    /// The numbers of a stage's stores; `named` hears of each that gets one now.
    fn ids(&mut self, stage: &str, stores: &[String], mut named: impl FnMut(u16, &str)) -> Vec<u16> {
        let id = |store: &String| {
            let known = self.0.iter().position(|(of, name)| of == stage && name == store);
            known.unwrap_or_else(|| {
                self.0.push((stage.to_owned(), store.clone()));
                named((self.0.len() - 1) as u16, store);
                self.0.len() - 1
            }) as u16
        };
        stores.iter().map(id).collect()
    }
}

/// What one commit makes durable.
pub struct Commit<'a> {
    /// Positions that have moved.
    pub positions: &'a Positions,
    /// The totals after it.
    pub totals: &'a Totals,
    /// State writes, by stage.
    pub writes: &'a [(&'a str, &'a Writes)],
    /// Dead letters that are dealt with.
    pub handled: &'a Handled,
    /// Whether the writes of a record are part of it.
    pub durable: &'a dyn Fn(u32) -> bool,
    /// Unix milliseconds.
    pub time_ms: i64,
}

impl Changelog {
    /// Opens the changelog in `folder`, making it where it is missing, and restores the stages' state from it. The stages
    /// must have declared their stores; what belongs to others is passed over.
    pub fn open(
        folder: &Path,
        durability: Durability,
        stages: &mut BTreeMap<String, StageState>,
        now_ms: i64,
    ) -> Result<(Self, Restored), ChangelogError> {
        std::fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        let lock = lock(folder)?;
        let longest_ttl_s =
            stages.values().map(StageState::longest_ttl_s).try_fold(0, |longest, ttl| ttl.map(|ttl| longest.max(ttl)));
        let mut restore = Restore::new(stages);
        let segments = segments(folder)?;
        let mut closed = Vec::new();
        let mut said = Instant::now();
        for (i, path) in segments.iter().enumerate() {
            if said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                tracing::info!(folder = %folder.display(), "restoring state: {i} of {} segments", segments.len());
            }
            restore.ids.clear();
            read_segment(path, i + 1 == segments.len(), &mut restore)?;
            closed.push((path.clone(), restore.restored.time_ms));
        }
        let restored = restore.restored;
        if let Some(newer) = &restored.newer {
            return Err(ChangelogError::Newer { folder: folder.to_owned(), newer: newer.clone() });
        }
        let versions = stages.iter().map(|(stage, state)| (stage.clone(), state.version())).collect();
        let mut stores = StoreIds::default();
        for (stage, state) in &*stages {
            stores.ids(stage, state.names(), |_, _| {});
        }
        let seq = restored.seq;
        let path = segment_path(folder, seq + 1);
        let mut buffer = Vec::new();
        let file = Segment { restored: &restored, stores: &stores, versions: &versions, migrated: &[] };
        let file = file.begin(&path, &mut buffer, now_ms)?;
        let changelog = Self {
            folder: folder.to_owned(),
            durability,
            _lock: lock,
            file,
            path,
            size: buffer.len() as u64,
            opened_ms: now_ms,
            seq: seq + 1,
            stores,
            versions,
            migrated: Vec::new(),
            positions: restored.positions.clone(),
            totals: restored.totals.clone(),
            replay: restored.replay.clone(),
            handled: restored.handled.clone(),
            longest_ttl_s,
            closed,
            buffer,
        };
        Ok((changelog, restored))
    }

    /// Makes one commit durable.
    pub fn commit(&mut self, commit: &Commit<'_>) -> Result<(), ChangelogError> {
        self.commit_all(std::slice::from_ref(commit))
    }

    /// Makes several commits durable, in their order, all of them or none: they are one frame, as a crash may keep a later
    /// part of what was not fsynced and lose an earlier one.
    pub fn commit_all(&mut self, commits: &[Commit<'_>]) -> Result<(), ChangelogError> {
        let Some(last) = commits.last() else { return Ok(()) };
        if !self.migrated.is_empty() {
            self.roll(last.time_ms)?;
        }
        let mut moved = Positions::default();
        commits.iter().for_each(|commit| moved.merge(commit.positions));
        self.positions.merge(&moved);
        self.replay.committed(&self.positions);
        self.buffer.clear();
        let mut frame = FrameWriter::new(&mut self.buffer, self.seq + 1, last.time_ms);
        frame.positions(&moved);
        frame.totals(last.totals, &self.totals);
        let (mut new_stores, mut new_versions) = (self.stores.clone(), self.versions.clone());
        for commit in commits {
            frame.handled(commit.handled);
            for (stage, writes) in commit.writes.iter().filter(|(_, writes)| !writes.ops.is_empty()) {
                if new_versions.get(*stage) != Some(&writes.version) {
                    frame.version(stage, writes.version, false);
                    new_versions.insert((*stage).to_owned(), writes.version);
                }
                let ids = new_stores.ids(stage, &writes.stores, |id, store| frame.store(id, stage, store));
                frame.writes(&ids, writes, commit.durable);
            }
        }
        frame.finish();
        self.append(self.durability)?;
        // Only now: a frame that is not there has named nothing.
        (self.stores, self.versions) = (new_stores, new_versions);
        self.seq += 1;
        self.totals.clone_from(last.totals);
        commits.iter().for_each(|commit| self.handled.merge(commit.handled));
        if self.is_full(last.time_ms) {
            self.roll(last.time_ms)?;
        }
        Ok(())
    }

    /// Says that records up to these positions are about to be written, so that a replay of them can be told from a first
    /// write. Not fsynced: after a crash of the machine a replay may pass for a first write, and nothing worse.
    pub fn intend(&mut self, positions: &Positions, time_ms: i64) -> Result<(), ChangelogError> {
        for (partition, until) in positions.iter() {
            self.replay.add(partition, until, time_ms);
        }
        self.buffer.clear();
        let mut frame = FrameWriter::new(&mut self.buffer, self.seq + 1, time_ms);
        frame.intents(&self.replay);
        frame.finish();
        self.append(Durability::Os)?;
        self.seq += 1;
        Ok(())
    }

    /// These stages have taken over the state of an older version. With the next commit their entries are durable, and those
    /// before are void; until then a restart finds the older version's, and they are taken over again.
    pub fn migrated(&mut self, migrated: Vec<Migrated>) {
        self.migrated.retain(|before| migrated.iter().all(|now| now.stage != before.stage));
        self.migrated.extend(migrated);
    }

    /// What may have been written and is not committed.
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Dead letters that have been dealt with.
    pub fn handled(&self) -> &Handled {
        &self.handled
    }

    /// Where the state lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends the buffer as one write and, where the configuration says so, waits until the disk has it. A write that
    /// fails half-way is cut off again, so that the next one does not stand behind a torn frame.
    fn append(&mut self, durability: Durability) -> Result<(), ChangelogError> {
        fail::fail_point!(&format!("{}/mid-frame", self.folder.file_name().unwrap_or_default().display()), |_| {
            let half = self.buffer.get(..self.buffer.len() / 2).unwrap_or_default();
            let _ = self.file.write_all(half);
            Err(ChangelogError::Locked(self.folder.clone()))
        });
        let written = self.file.write_all(&self.buffer).and_then(|()| match durability {
            Durability::Commit => self.file.sync_data(),
            Durability::Os => Ok(()),
        });
        match written {
            Ok(()) => {
                self.size += self.buffer.len() as u64;
                Ok(())
            }
            Err(error) => {
                let cut = self.file.set_len(self.size).and_then(|()| self.file.seek(SeekFrom::Start(self.size)));
                cut.map_err(io_error("cut a torn frame off", &self.path))?;
                Err(ChangelogError::Io { action: APPEND, path: self.path.clone(), source: error })
            }
        }
    }

    fn is_full(&self, now_ms: i64) -> bool {
        let age_ms = now_ms.saturating_sub(self.opened_ms);
        let due_ms = self.longest_ttl_s.map_or(i64::MAX, |ttl| i64::from(ttl).max(480) * 1000 / 8);
        self.size >= SEGMENT_BYTES || age_ms >= due_ms
    }

    fn roll(&mut self, now_ms: i64) -> Result<(), ChangelogError> {
        let restored = Restored {
            positions: self.positions.clone(),
            totals: self.totals.clone(),
            seq: self.seq,
            time_ms: now_ms,
            replay: self.replay.clone(),
            handled: self.handled.clone(),
            ..Restored::default()
        };
        for Migrated { stage, version, entries } in &self.migrated {
            self.versions.insert(stage.clone(), *version);
            for entries in entries {
                self.stores.ids(stage, std::slice::from_ref(&entries.store), |_, _| {});
            }
        }
        let path = segment_path(&self.folder, self.seq + 1);
        let (stores, versions, migrated) = (&self.stores, &self.versions, &self.migrated);
        let segment = Segment { restored: &restored, stores, versions, migrated };
        self.file = segment.begin(&path, &mut self.buffer, now_ms)?;
        self.migrated.clear();
        self.closed.push((std::mem::replace(&mut self.path, path), now_ms));
        self.size = self.buffer.len() as u64;
        self.opened_ms = now_ms;
        self.seq += 1;
        self.expire(now_ms)
    }

    fn expire(&mut self, now_ms: i64) -> Result<(), ChangelogError> {
        let Some(ttl) = self.longest_ttl_s else { return Ok(()) };
        while let Some((path, last_ms)) = self.closed.first() {
            if now_ms.saturating_sub(*last_ms) <= (i64::from(ttl) + 1) * 1000 {
                break;
            }
            std::fs::remove_file(path).map_err(io_error("delete the expired", path))?;
            self.closed.remove(0);
        }
        Ok(())
    }
}

/// Takes the folder for this process, until the file is closed.
fn lock(folder: &Path) -> Result<File, ChangelogError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ChangelogError::Locked(folder.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(ChangelogError::Io { action: "lock", path, source }),
    }
}

/// What can be done about it, where that can be told.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (let this user write there, or name another `data_dir` in [host])"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (make room on its disk; what is not committed is not lost)"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            " (a file is in its way: move it, or name another `data_dir` in [host])"
        }
        _ => "",
    }
}
