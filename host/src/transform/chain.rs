//! A pipeline's stages, one after the other, over one batch.
//!
//! In comes a batch, out comes the fate of every record of it. The values are parsed once, natively, for all stages and for
//! the sink. Nothing here waits for I/O.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Processed, Stage, StageSpec,
    fate::{Fate, by_origin, run_stage},
    head::{Begun, Head, begin},
    processed::Author,
    project::{PointerError, Projector},
    work::{Next, Work},
};
use crate::{
    plugin::{CallError, InitError, MigrateError},
    record::{Batch, Columns, Field},
    sink::WriteBatch,
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
    last_use: LastUse,
    /// How many stages there are before the first one that keeps something.
    head: usize,
    /// Further instances of these stages, for batches that are begun elsewhere.
    heads: Vec<Head>,
    /// What they took for the last batches, on average, and what they have to take for one to be lent.
    head_time: Duration,
    lending_pays: Duration,
    authors: Arc<[Author]>,
    /// State of stages that are no more, for a version that has them again.
    parked: BTreeMap<String, StageState>,
}

/// A batch that is begun in less time is finished sooner where it is: what is made of it would have to move from one core's
/// cache to another's. Measured with two cores: format-user, 0.4 ms for a batch, gained 6 % for 10 % more CPU time.
const LENDING_PAYS: Duration = Duration::from_micros(500);

/// For each column, the last stage that looks at it; the sink comes after all of them.
pub(super) type LastUse = Arc<[usize]>;

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
        let keeps = |stage: &Stage| !stage.state().lock().unwrap_or_else(PoisonError::into_inner).names().is_empty();
        let head = stages.iter().position(keeps).unwrap_or(stages.len());
        let last_use = last_use(&stages, &fields, &[]);
        let (sink_columns, heads, head_time, parked) = Default::default();
        Ok(Self {
            stages,
            fields,
            sink_columns,
            projector,
            last_use,
            head,
            heads,
            head_time,
            lending_pays: LENDING_PAYS,
            authors,
            parked,
        })
    }

    /// Makes `heads` further instances of the stages that keep nothing, so that as many batches can be begun at the same time
    /// on other threads. The stages behind them, which depend on the order, are this chain's alone.
    pub fn widen(&mut self, heads: usize) -> Result<(), ChainError> {
        while self.heads.len() < heads {
            let stages = self.stages.iter().take(self.head).map(Stage::another);
            let stages = stages.collect::<Result<_, _>>()?;
            let (projector, last_use) = (projector(&self.fields)?, self.last_use.clone());
            self.heads.push(Head { stages, projector, last_use });
        }
        Ok(())
    }

    /// Lends an instance of the head that is free, where that pays.
    pub fn lend_head(&mut self) -> Option<Head> {
        if self.head_time < self.lending_pays { None } else { self.heads.pop() }
    }

    /// Lends them for however little there is to do, so that tests see it done.
    #[cfg(test)]
    pub fn lend_always(&mut self) {
        self.lending_pays = Duration::ZERO;
    }

    /// Takes an instance of the head back that was lent.
    pub fn take_back(&mut self, head: Head) {
        self.heads.push(head);
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
        self.last_use = last_use(&self.stages, &self.fields, &self.sink_columns);
        for head in &mut self.heads {
            (head.projector, head.last_use) = (projector(&self.fields)?, self.last_use.clone());
        }
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
        let begun = self.begin(batch)?;
        self.finish(begun)
    }

    /// Runs the stages over a batch that keep nothing, up to the first one that does.
    pub fn begin(&mut self, batch: Arc<Batch>) -> Result<Begun, ChainError> {
        let head = self.stages.get_mut(..self.head).unwrap_or_default();
        begin(head, &mut self.projector, &self.last_use, batch)
    }

    /// Runs the other stages over a batch that was begun by this chain or by one of its heads.
    pub fn finish(&mut self, begun: Begun) -> Result<Processed, ChainError> {
        let Begun { mut work, mut fate, mut used, took } = begun;
        self.head_time = (self.head_time * 7 + took) / 8;
        let now = now_s();
        let mut writes = Vec::with_capacity(self.stages.len() - self.head);
        for index in self.head..self.stages.len() {
            let Some(stage) = self.stages.get_mut(index) else { continue };
            let mut next = Next::default();
            let written = match run_stage(index, stage, &mut work, &mut next, &mut fate, now) {
                Ok(written) => written,
                Err(fault) => {
                    let stage = stage.name().to_string();
                    self.undo(&writes, |_| true);
                    return Err(ChainError { stage, fault });
                }
            };
            writes.push((stage.name().clone(), by_origin(written, &work.rows)));
            work.advance(&next, needed(&self.last_use, index), &mut self.projector);
            stage.state().lock().unwrap_or_else(PoisonError::into_inner).sweep(now);
            stage.report_what_is_due();
        }
        let Work { batch, rows, made, columns } = work;
        let columns = select(columns, &self.sink_columns);
        let (positions, writes) = (batch.positions(), Arc::new(writes));
        let write = Arc::new(WriteBatch { source: batch, rows, made, columns, replay: None });
        let authors = self.authors.clone();
        let Fate { rejected, dropped, split } = fate;
        used.extend(self.stages.iter_mut().skip(self.head).map(Stage::take_used));
        Ok(Processed { write, rejected, dropped, split, positions, writes, authors, used })
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

/// The columns that are wanted, in that order; one that is wanted once is moved.
fn select(mut columns: Columns, wanted: &[usize]) -> Columns {
    let pick = |(place, column): (usize, &usize)| {
        let again = wanted.get(place + 1..).is_some_and(|later| later.contains(column));
        let found =
            columns.columns.get_mut(*column).map(|found| if again { found.clone() } else { std::mem::take(found) });
        found.unwrap_or_default()
    };
    Columns { columns: wanted.iter().enumerate().map(pick).collect() }
}

fn last_use(stages: &[Stage], fields: &[Field], sink_columns: &[usize]) -> LastUse {
    let last = |column: usize| {
        let used_by = |stage: &Stage| stage.columns.contains(&column);
        if sink_columns.contains(&column) { usize::MAX } else { stages.iter().rposition(used_by).unwrap_or(0) }
    };
    (0..fields.len()).map(last).collect()
}

/// Whether a column is looked at after that stage.
pub(super) fn needed(last_use: &[usize], stage: usize) -> impl Fn(usize) -> bool {
    move |column| last_use.get(column).is_some_and(|last| *last > stage)
}

pub(super) fn now_s() -> Seconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as Seconds)
}
