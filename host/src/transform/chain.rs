//! A pipeline's stages, one after the other, over one batch.
//!
//! In comes a batch, out comes the fate of every record of it. The values are parsed once, natively, for all stages and for
//! the sink. Nothing here waits for I/O.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    Processed, Rejected, Stage, StageSpec,
    processed::{Author, Dropped},
    project::{PointerError, Projector},
    work::{Next, Work},
};
use crate::{
    plugin::{CallError, Code, InitError, MigrateError, Outcome},
    record::{Batch, Columns, Field},
    sink::{Row, Text, WriteBatch},
    state::{Seconds, StageState, Writes},
};

/// Why a chain cannot be made, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("stage `{stage}`: {fault}")]
pub struct ChainError {
    /// Which stage.
    pub stage: String,
    /// What is wrong.
    pub fault: ChainFault,
}

/// What is wrong with a stage.
#[derive(Debug, thiserror::Error)]
pub enum ChainFault {
    /// Its plugin cannot be set up.
    #[error(transparent)]
    Init(#[from] InitError),
    /// It failed on record after record: nothing it said can be relied on.
    #[error("it fails on record after record; the last one: {0}")]
    Circuit(CallError),
    /// What an older version has kept cannot be taken over.
    #[error("state of version {from} cannot be taken over by version {to}: {why}")]
    Migrate {
        /// The version that kept it.
        from: u32,
        /// The version of the plugin.
        to: u32,
        /// Why not.
        why: MigrateError,
    },
    /// It asks for a field by a pointer that is none.
    #[error("it asks for a field that is no JSON pointer: {0}")]
    Pointer(#[from] PointerError),
}

/// The stages of a pipeline, ready to run.
pub struct Chain {
    stages: Vec<Stage>,
    fields: Vec<Field>,
    /// For each of the sink's fields, the column of the chain.
    sink_columns: Vec<usize>,
    projector: Projector,
    authors: Arc<[Author]>,
    /// State of stages that are no more, for a version that has them again.
    parked: BTreeMap<String, StageState>,
}

/// A plugin that fails on that many records in a row is taken to be broken, rather than the records.
const CIRCUIT: usize = 64;
/// One that takes the whole of a call's time counts for so many, as it holds the pipeline up for as long.
const TIMEOUT_COUNTS: usize = 16;

impl Chain {
    /// Makes the first instance of each stage.
    pub fn new(specs: Vec<StageSpec>) -> Result<Self, ChainError> {
        let mut stages = Vec::with_capacity(specs.len());
        for spec in specs {
            let stage = spec.name.stage.to_string();
            stages.push(Stage::new(spec).map_err(|fault| ChainError { stage, fault: fault.into() })?);
        }
        let mut fields = Vec::new();
        for stage in &mut stages {
            let wanted = stage.descriptor().fields.clone();
            stage.columns = wanted.iter().map(|field| column(&mut fields, field)).collect();
            // Said here rather than for the whole chain, so that the message names the stage.
            Projector::new(&wanted)
                .map_err(|fault| ChainError { stage: stage.name().to_string(), fault: fault.into() })?;
        }
        let projector = projector(&fields)?;
        let authors = stages.iter().map(author).collect();
        Ok(Self { stages, fields, sink_columns: Vec::new(), projector, authors, parked: BTreeMap::new() })
    }

    /// What each stage's plugin says of its state.
    pub fn state_versions(&self) -> BTreeMap<String, u32> {
        self.stages.iter().map(|stage| (stage.name().to_string(), stage.descriptor().state_version)).collect()
    }

    /// Who its stages are.
    pub fn authors(&self) -> &Arc<[Author]> {
        &self.authors
    }

    /// Takes over what another chain of the pipeline has kept, stage by stage, by name. State of another version stays where
    /// it is.
    pub fn adopt(&mut self, other: &mut Chain) {
        for stage in &self.stages {
            let mut mine = stage.state().lock().unwrap_or_else(PoisonError::into_inner);
            let theirs = other.stages.iter().find(|theirs| theirs.name() == stage.name());
            if let Some(theirs) = theirs {
                let mut theirs = theirs.state().lock().unwrap_or_else(PoisonError::into_inner);
                if theirs.version() == mine.version() {
                    mine.adopt(theirs.take_entries());
                }
            } else if other.parked.get(stage.name().as_ref()).is_some_and(|parked| parked.version() == mine.version())
                && let Some(parked) = other.parked.remove(stage.name().as_ref())
            {
                mine.adopt(parked);
            }
        }
        for stage in other.stages.iter().filter(|stage| !self.stages.iter().any(|mine| mine.name() == stage.name())) {
            let state = std::mem::take(&mut *stage.state().lock().unwrap_or_else(PoisonError::into_inner));
            other.parked.insert(stage.name().to_string(), state);
        }
        self.parked.append(&mut other.parked);
    }

    pub(super) fn stages_mut(&mut self) -> &mut [Stage] {
        &mut self.stages
    }

    /// The state of a stage, or of one that is no more.
    pub(super) fn look_at_state<T>(&self, stage: &str, look: impl FnOnce(&StageState) -> T) -> Option<T> {
        match self.stages.iter().find(|known| known.name().as_ref() == stage) {
            Some(stage) => Some(look(&stage.state().lock().unwrap_or_else(PoisonError::into_inner))),
            None => self.parked.get(stage).map(look),
        }
    }

    /// Projects the sink's fields as well from now on.
    pub fn project_for_sink(&mut self, wanted: &[Field]) -> Result<(), ChainError> {
        self.sink_columns = wanted.iter().map(|field| column(&mut self.fields, field)).collect();
        self.projector = projector(&self.fields)?;
        Ok(())
    }

    /// The stages, in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Lends the stages' states, by stage, to be restored from a changelog.
    pub fn with_states<T>(&mut self, restore: impl FnOnce(&mut BTreeMap<String, StageState>) -> T) -> T {
        let lend = |stage: &Stage| {
            let state = std::mem::take(&mut *stage.state().lock().unwrap_or_else(PoisonError::into_inner));
            (stage.name().to_string(), state)
        };
        let mut states: BTreeMap<String, StageState> = self.stages.iter().map(lend).collect();
        let result = restore(&mut states);
        for stage in &self.stages {
            if let Some(state) = states.remove(stage.name().as_ref()) {
                *stage.state().lock().unwrap_or_else(PoisonError::into_inner) = state;
            }
        }
        result
    }

    /// Undoes the state writes of those records of a batch that `undone` names. Later batches must be undone before.
    pub fn undo(&mut self, writes: &[(Arc<str>, Writes)], undone: impl Fn(u32) -> bool) {
        self.with_state_of(writes, |state, writes| state.undo(writes, &undone));
    }

    /// Makes the state writes of a batch again that were undone.
    pub fn redo(&mut self, writes: &[(Arc<str>, Writes)]) {
        self.with_state_of(writes, |state, writes| state.redo(writes, |_| true));
    }

    fn with_state_of(&mut self, writes: &[(Arc<str>, Writes)], mut change: impl FnMut(&mut StageState, &Writes)) {
        for (name, writes) in writes {
            if let Some(stage) = self.stages.iter().find(|stage| stage.name() == name) {
                change(&mut stage.state().lock().unwrap_or_else(PoisonError::into_inner), writes);
            } else if let Some(state) = self.parked.get_mut(name.as_ref()) {
                change(state, writes);
            }
        }
    }

    /// Runs all stages over a batch. An error means that a stage is broken; the batch is then as if it had never been handed
    /// over.
    pub fn run(&mut self, batch: Arc<Batch>) -> Result<Processed, ChainError> {
        let now = now_s();
        let mut work = Work::new(&batch, self.fields.len(), &mut self.projector);
        let mut fate = Fate::default();
        let mut writes = Vec::with_capacity(self.stages.len());
        for index in 0..self.stages.len() {
            let Some(stage) = self.stages.get_mut(index) else { continue };
            let mut next = Vec::with_capacity(work.rows.len());
            let written = match run_stage(index, stage, &mut work, &mut next, &mut fate, now) {
                Ok(written) => written,
                Err(fault) => {
                    let stage = stage.name().to_string();
                    self.undo(&writes, |_| true);
                    return Err(ChainError { stage, fault });
                }
            };
            writes.push((stage.name().clone(), by_origin(written, &work.rows)));
            work.advance(&next, &mut self.projector);
            stage.state().lock().unwrap_or_else(PoisonError::into_inner).sweep(now);
            stage.report_what_is_due();
        }
        let Work { rows, made, columns, .. } = work;
        let columns = select(columns, &self.sink_columns);
        let (positions, writes) = (batch.positions(), Arc::new(writes));
        let write = Arc::new(WriteBatch { source: batch, rows, made, columns, replay: None });
        let authors = self.authors.clone();
        let Fate { rejected, dropped, split } = fate;
        let used = self.stages.iter_mut().map(Stage::take_used).collect();
        Ok(Processed { write, rejected, dropped, split, positions, writes, authors, used })
    }
}

/// What left the batch, or was added to it, on the way.
#[derive(Default)]
struct Fate {
    rejected: Vec<Rejected>,
    dropped: Dropped,
    split: Vec<(u32, u64)>,
}

/// Runs one stage over all rows, one by one where they fail together. Gives the state writes of the calls that succeeded.
fn run_stage(
    index: usize,
    stage: &mut Stage,
    work: &mut Work<'_>,
    next: &mut Vec<Next>,
    fate: &mut Fate,
    now: Seconds,
) -> Result<Writes, ChainFault> {
    let rows = work.rows.len();
    if rows == 0 {
        return Ok(Writes::default());
    }
    let error = match stage.call(work, 0..rows, now) {
        Ok(outcome) => {
            apply(index, stage, work, 0, &outcome, next, fate);
            return Ok(stage.take_writes());
        }
        Err(failure) => failure.error,
    };
    stage.recover(&error)?;
    let mut writes = Writes::default();
    let mut failed = 0;
    let mut has_culprit = false;
    for row in 0..rows {
        match stage.call(work, row..row + 1, now) {
            Ok(outcome) => {
                failed = 0;
                apply(index, stage, work, row, &outcome, next, fate);
                // Taken call by call, so that a later call that fails undoes only its own.
                writes.append(stage.take_writes());
            }
            Err(failure) => {
                has_culprit = true;
                stage.report(&failure, work, row);
                let error = failure.error;
                stage.recover(&error)?;
                failed += match error {
                    // It works, and says of itself that it cannot take the record.
                    CallError::Refused(_) => 0,
                    CallError::Timeout(_) => TIMEOUT_COUNTS,
                    _ => 1,
                };
                if failed >= CIRCUIT {
                    stage.undo(&writes);
                    return Err(ChainFault::Circuit(error));
                }
                let origin = work.rows.get(row).map_or(0, |row| row.origin);
                let trapped = !matches!(error, CallError::Refused(_));
                let reason = format!("{}: {error}", error.code());
                fate.rejected.push(Rejected { origin, stage: index, reason, trapped });
            }
        }
    }
    if !has_culprit {
        stage.report_batch(&error, rows);
    }
    Ok(writes)
}

/// Puts into effect what a call said of the rows from `first` on.
fn apply(
    index: usize,
    stage: &Stage,
    work: &mut Work<'_>,
    first: usize,
    outcome: &Outcome,
    next: &mut Vec<Next>,
    fate: &mut Fate,
) {
    if outcome.keeps_all() {
        next.extend((first..first + outcome.codes.len()).map(|row| Next::Kept(row as u32)));
        return;
    }
    let mut out = 0..outcome.out.len();
    let mut keys = 0..;
    let mut splits = outcome.splits.iter();
    let mut take = || outcome.out.get(out.next().unwrap_or(usize::MAX));
    for (row, code) in (first..).zip(&outcome.codes) {
        let Some(old) = work.rows.get(row).copied() else { continue };
        let count = match code {
            Code::Keep => {
                next.push(Next::Kept(row as u32));
                continue;
            }
            Code::Drop => {
                fate.dropped.push(old.origin, stage.name(), take());
                continue;
            }
            Code::Reject => {
                let reason = String::from_utf8_lossy(take()).into_owned();
                fate.rejected.push(Rejected { origin: old.origin, stage: index, reason, trapped: false });
                continue;
            }
            Code::Replace => 1,
            Code::Split => splits.next().copied().unwrap_or_default(),
        };
        if count == 0 {
            fate.dropped.push(old.origin, stage.name(), b"split_into_none");
        }
        if count > 1 {
            fate.split.push((old.origin, u64::from(count - 1)));
        }
        for _ in 0..count {
            let value = made(work, take());
            let key = match (&outcome.out_keys, keys.next()) {
                (Some(keys), Some(item)) if keys.get(item).is_empty() => Text::Null,
                (Some(keys), Some(item)) => made(work, keys.get(item)),
                _ => old.key,
            };
            next.push(Next::New(Row { origin: old.origin, value, key }));
        }
    }
}

fn author(stage: &Stage) -> Author {
    Author {
        stage: stage.name().to_string(),
        plugin: stage.descriptor().name.clone(),
        version: stage.descriptor().version.clone(),
        sha256: stage.plugin().sha256().to_owned(),
    }
}

fn made(work: &mut Work<'_>, bytes: &[u8]) -> Text {
    work.made.push(bytes);
    Text::Made((work.made.len() - 1) as u32)
}

/// Says of each write which record of the batch it belongs to, rather than which row of the stage.
fn by_origin(mut writes: Writes, rows: &[Row]) -> Writes {
    for write in &mut writes.ops {
        if let Some(row) = rows.get(write.row as usize) {
            write.row = row.origin;
        }
    }
    writes
}

/// The chain's column for a field, added where it is missing and widened where less of it was wanted so far.
fn column(fields: &mut Vec<Field>, wanted: &Field) -> usize {
    if let Some(found) = fields.iter().position(|field| field.pointer == wanted.pointer) {
        if let Some(field) = fields.get_mut(found) {
            field.want = field.want.max(wanted.want);
        }
        return found;
    }
    fields.push(wanted.clone());
    fields.len() - 1
}

fn projector(fields: &[Field]) -> Result<Projector, ChainError> {
    Projector::new(fields).map_err(|fault| ChainError { stage: "sink".to_owned(), fault: fault.into() })
}

fn select(columns: Columns, wanted: &[usize]) -> Columns {
    let pick = |column: &usize| columns.columns.get(*column).cloned().unwrap_or_default();
    Columns { columns: wanted.iter().map(pick).collect() }
}

fn now_s() -> Seconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as Seconds)
}
