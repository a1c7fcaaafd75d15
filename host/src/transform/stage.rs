//! One stage: a plugin's instance, what it is handed of the rows, and what is done when it fails.
//!
//! A call that fails leaves no trace: its state writes are undone and, unless the plugin itself said so, its instance is
//! thrown away. The caller then tries the rows one by one.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{ChainError, Used, seeds::Seeds, tap, work::Work};
use crate::{
    plugin::{
        CallError, Descriptor, Failure, InitError, Instance, Limits, MigrateError, Outcome, Plugin, SharedState,
        StageName, bindings::millstream::plugin::types,
    },
    record::{Kind, Slices, Want},
    state::{Entries, Seconds, StageState, Writes},
};

/// What a stage is made of.
#[derive(Clone)]
pub struct StageSpec {
    /// The pipeline and the stage's name.
    pub name: StageName,
    /// The compiled plugin.
    pub plugin: Plugin,
    /// Its configuration, as JSON.
    pub config: String,
    /// What it may use.
    pub limits: Limits,
}

/// A running stage.
pub struct Stage {
    spec: StageSpec,
    instance: Instance,
    descriptor: Descriptor,
    state: SharedState,
    /// For each of its fields, the column of the chain.
    pub(super) columns: Vec<usize>,
    kinds: Vec<u8>,
    used: Used,
}

impl Stage {
    /// Makes the stage's first instance.
    pub fn new(spec: StageSpec) -> Result<Self, InitError> {
        let state = Arc::new(Mutex::new(StageState::new()));
        let (instance, descriptor) =
            Instance::new(&spec.plugin, &spec.name, &spec.config, &spec.limits, state.clone())?;
        Ok(Self { spec, instance, descriptor, state, columns: Vec::new(), kinds: Vec::new(), used: Used::default() })
    }

    /// A further instance of a stage that keeps nothing.
    pub(super) fn another(&self) -> Result<Self, ChainError> {
        let another = Self::new(self.spec.clone());
        let another = another.map_err(|fault| ChainError { stage: self.name().to_string(), fault: fault.into() })?;
        Ok(Self { columns: self.columns.clone(), ..another })
    }

    /// Its name in the pipeline.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.name.stage
    }

    pub(super) fn pipeline(&self) -> &Arc<str> {
        &self.spec.name.pipeline
    }

    /// What its plugin says of itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The compiled plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.spec.plugin
    }

    /// What its instance has executed; see [`Instance::fuel_used`].
    pub fn fuel_used(&self) -> Option<u64> {
        self.instance.fuel_used()
    }

    /// Its state.
    pub fn state(&self) -> &SharedState {
        &self.state
    }

    /// Takes the state writes since the last call of this.
    pub(super) fn take_writes(&self) -> Writes {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).take_writes()
    }

    /// What it used since the last call of this.
    pub(super) fn take_used(&mut self) -> Used {
        Used { memory: self.instance.memory(), ..std::mem::take(&mut self.used) }
    }

    /// Undoes state writes of calls whose outcome is thrown away.
    pub(super) fn undo(&self, writes: &Writes) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).undo(writes, |_| true);
    }

    /// Hands the rows of that range to the plugin.
    pub(super) fn call(&mut self, work: &Work, range: Range<usize>, now: Seconds) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let whole = range.len() == work.rows.len();
        let mut owned: Vec<Slices> = Vec::new();
        let mut texts: Vec<Option<types::SlicesParam<'_>>> = Vec::new();
        self.kinds.clear();
        for (field, column) in self.descriptor.fields.iter().zip(&self.columns) {
            let Some(column) = work.columns.columns.get(*column) else { continue };
            let kinds = column.kinds.get(range.clone()).unwrap_or_default();
            self.kinds.extend_from_slice(kinds);
            if field.want == Want::Kind {
                continue;
            }
            // A sink may have asked for more of the same field than the contract shows to plugins.
            let beyond = kinds.iter().any(|kind| (Kind::True as u8..=Kind::Object as u8).contains(kind));
            if whole && !beyond {
                texts.push(Some(param(&column.texts)));
            } else {
                let shown = |row: usize| match column.kinds.get(row) {
                    Some(2 | 3) => column.texts.get(row),
                    _ => &[],
                };
                owned.push(range.clone().map(shown).collect());
                texts.push(None);
            }
        }
        let mut made = owned.iter();
        let texts: Vec<_> = texts.into_iter().filter_map(|text| text.or_else(|| made.next().map(param))).collect();
        let rows = work.rows.get(range.clone()).unwrap_or_default();
        let values = self
            .descriptor
            .wants_values
            .then(|| rows.iter().map(|row| work.value(row).unwrap_or_default()).collect::<Slices>());
        let keys = self
            .descriptor
            .wants_keys
            .then(|| rows.iter().map(|row| work.key(row).unwrap_or_default()).collect::<Slices>());
        let timestamps: Option<Vec<i64>> = self
            .descriptor
            .wants_timestamps
            .then(|| rows.iter().map(|row| work.batch.record(row.origin as usize).timestamp_ms).collect());
        let pipeline = &self.spec.name.pipeline;
        let seeds: Option<Vec<u64>> = self.descriptor.wants_seeds.then(|| {
            let seeds = Seeds::new(pipeline, &work.batch.topic);
            rows.iter().flat_map(|row| seeds.of(&work.batch, row.origin as usize)).collect()
        });
        let batch = types::Batch {
            rows: rows.len() as u32,
            kinds: &self.kinds,
            texts: &texts,
            values: values.as_ref().map(param),
            keys: keys.as_ref().map(param),
            timestamps: timestamps.as_deref(),
            seeds: seeds.as_deref(),
        };
        let before = self.instance.fuel_used();
        let answer = self.instance.process(batch, range.start as u32, now);
        if let (Some(before), Some(after)) = (before, self.instance.fuel_used()) {
            *self.used.fuel.get_or_insert(0) += after.saturating_sub(before);
        }
        self.used.records += range.len() as u64;
        self.used.time += begun.elapsed();
        if let Ok(outcome) = &answer {
            tap::offer(&self.spec.name, work, range, outcome);
        }
        answer
    }

    /// Hands entries of an older version to the plugin; a new value for each.
    pub(super) fn migrate(&mut self, from: u32, entries: &Entries) -> Result<Slices, MigrateError> {
        self.instance.migrate(from, entries)
    }

    /// Undoes what a failed call has written and, where the plugin cannot be trusted any more, makes a new instance.
    pub(super) fn recover(&mut self, error: &CallError) -> Result<(), InitError> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).undo_call();
        if matches!(error, CallError::Refused(_)) {
            return Ok(());
        }
        let spec = &self.spec;
        self.instance = self.instance.anew(&spec.plugin, &spec.name, &spec.config)?;
        Ok(())
    }
}

fn param(slices: &Slices) -> types::SlicesParam<'_> {
    types::SlicesParam { ends: slices.ends(), data: slices.data() }
}
