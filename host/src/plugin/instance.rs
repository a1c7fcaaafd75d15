//! A running plugin: its descriptor, and one bounded call at a time.
//!
//! In comes a batch as flat arenas, out comes what becomes of each record, checked. An instance that trapped is never called
//! again; the caller makes a new one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wasmtime::{Store, Trap};

use super::{
    Capability, Grants, Limits, Plugin,
    bindings::{self, millstream::plugin::types},
    engine::ticks,
    failures::{Failure, backtrace},
    guest::{Guest, LogBudget, Room, SharedLog, SharedState},
    outcome::{Outcome, check},
};
use crate::{
    record::{Field, Want},
    state::Seconds,
};

/// Most of what a plugin says of a batch that it refuses: it becomes the reason of dead letters.
pub(super) const MAX_MESSAGE_BYTES: usize = 4 << 10;

/// Every field is a column of each batch, and every store is named in the changelog.
pub(super) const MAX_FIELDS: usize = 256;
pub(super) const MAX_STORES: usize = 16;

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Version of what it keeps in its stores.
    pub state_version: u32,
    /// The fields it needs of each record.
    pub fields: Vec<Field>,
    /// Whether it needs the records' bytes.
    pub wants_values: bool,
    /// Whether it needs the records' keys.
    pub wants_keys: bool,
    /// Whether it needs the records' timestamps.
    pub wants_timestamps: bool,
    /// Whether it needs random words.
    pub wants_seeds: bool,
}

/// Who an instance works for; for messages.
#[derive(Debug, Clone)]
pub struct StageName {
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// The stage.
    pub stage: Arc<str>,
}

/// Why an instance cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The plugin refused its configuration.
    #[error("{0}")]
    Refused(String),
    /// It failed while it was set up.
    #[error("the plugin failed in `init`: {0}")]
    Failed(CallError),
    /// Its descriptor makes no sense.
    #[error("the plugin's descriptor is wrong: {0}")]
    Descriptor(String),
    /// It asks for more than its stage grants.
    #[error("the plugin `{plugin}` asks for {}, which its stage does not grant; add `{grants}` to the stage", missing.in_words())]
    NotGranted {
        /// The plugin's name.
        plugin: String,
        /// What it asks for.
        missing: Grants,
        /// What the stage would have to grant in all.
        grants: Grants,
    },
}

/// Why a call came to nothing. The records of the call are as they were.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The plugin itself said that the batch failed.
    #[error("{0}")]
    Refused(String),
    /// It took longer than it may.
    #[error("it ran for longer than {0:?}")]
    Timeout(Duration),
    /// It asked for more memory than it may.
    #[error("it needed more than {} MiB of memory", .0 >> 20)]
    Memory(usize),
    /// It asked for larger tables than it may.
    #[error("it needed more than {0} table entries")]
    Table(usize),
    /// It trapped.
    #[error("it trapped: {0}")]
    Trap(String),
    /// What it returned does not fit the batch.
    #[error("its answer is wrong: {0}")]
    Answer(String),
}

impl CallError {
    /// Reason code of a record that makes the call fail by itself.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "plugin_error",
            Self::Timeout(_) => "plugin_timeout",
            Self::Memory(_) => "plugin_memory",
            Self::Table(_) => "plugin_table",
            Self::Trap(_) => "plugin_trap",
            Self::Answer(_) => "plugin_answer",
        }
    }
}

/// A plugin that is ready to be called.
pub struct Instance {
    pub(super) store: Store<Guest>,
    plugin: bindings::Plugin,
    /// The same, for what only some plugins export.
    pub(super) component: wasmtime::component::Instance,
    pub(super) limits: Limits,
    counts_fuel: bool,
}

impl Instance {
    /// Makes an instance and hands it its configuration. Stores that it declares are made in `state`.
    pub fn new(
        plugin: &Plugin,
        name: &StageName,
        config: &str,
        limits: &Limits,
        state: SharedState,
    ) -> Result<(Self, Descriptor), InitError> {
        let log = LogBudget::new(name.pipeline.clone(), name.stage.clone(), limits.log);
        Self::with(plugin, name, config, limits, state, Arc::new(Mutex::new(log)))
    }

    /// One more of the same, for one that cannot be relied on any more. What that one has logged counts for this one, too.
    pub fn anew(&self, plugin: &Plugin, name: &StageName, config: &str) -> Result<Self, InitError> {
        let guest = self.store.data();
        let (instance, _) = Self::with(plugin, name, config, &self.limits, guest.state.clone(), guest.log.clone())?;
        Ok(instance)
    }

    fn with(
        plugin: &Plugin,
        name: &StageName,
        config: &str,
        limits: &Limits,
        state: SharedState,
        log: SharedLog,
    ) -> Result<(Self, Descriptor), InitError> {
        // Before any of its code runs.
        limits.grants.cover(&plugin.name(), plugin.imported())?;
        let guest = Guest {
            state: state.clone(),
            rows: 0,
            first_row: 0,
            now: 0,
            room: Room::new(limits.memory, limits.table),
            log,
        };
        let mut store = Store::new(plugin.pre.engine(), guest);
        store.limiter(|guest| &mut guest.room);
        store.set_epoch_deadline(ticks(limits.timeout));
        // Refused where fuel is not counted.
        let counts_fuel = store.set_fuel(u64::MAX).is_ok();
        let failed = |store: &Store<Guest>, error| {
            let failure = call_failure(store, limits, &error);
            // A plugin that fails here is refused, and is not tried again as it is.
            let (pipeline, stage) = (&name.pipeline, &name.stage);
            tracing::error!(%pipeline, %stage, plugin = plugin.name(), sha256 = plugin.sha256(), "plugin failed in `init`: {}{}", failure.error, failure.backtrace);
            InitError::Failed(failure.error)
        };
        let instantiated = plugin.pre.instance_pre().instantiate(&mut store).and_then(|component| {
            let instance = bindings::Plugin::new(&mut store, &component)?;
            Ok((component, instance))
        });
        let (component, instance) = match instantiated {
            Ok(both) => both,
            Err(error) => return Err(failed(&store, error)),
        };
        let described = match instance.millstream_plugin_stage().call_init(&mut store, config) {
            Ok(described) => described.map_err(InitError::Refused)?,
            Err(error) => return Err(failed(&store, error)),
        };
        limits.grants.cover(&plugin.name(), &wanted(&described))?;
        let descriptor = descriptor(&described)?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        for (i, declared) in described.stores.iter().enumerate() {
            if state.declare(&declared.name, declared.ttl_ms) as usize != i {
                return Err(InitError::Descriptor(format!(
                    "the store `{}` is declared twice or out of order",
                    declared.name
                )));
            }
        }
        state.set_version(descriptor.state_version);
        drop(state);
        Ok((Self { store, plugin: instance, component, limits: limits.clone(), counts_fuel }, descriptor))
    }

    /// Bytes of linear memory that it has.
    pub fn memory(&self) -> u64 {
        self.store.data().room.memory.used as u64
    }

    /// How much it has executed, in units of fuel; `None` unless the engine counts.
    pub fn fuel_used(&self) -> Option<u64> {
        // Asking in vain would make an error each time.
        if !self.counts_fuel {
            return None;
        }
        self.store.get_fuel().ok().map(|left| u64::MAX - left)
    }

    /// Hands over a batch. `first_row` is the index of its first record within the batch that state writes belong to.
    pub fn process(&mut self, batch: types::Batch<'_>, first_row: u32, now: Seconds) -> Result<Outcome, Failure> {
        let rows = batch.rows;
        let guest = self.store.data_mut();
        (guest.rows, guest.first_row, guest.now) = (rows, first_row, now);
        self.begin_call();
        match self.plugin.millstream_plugin_stage().call_process(&mut self.store, batch) {
            Ok(Ok(outcome)) => check(rows, outcome, self.limits.output).map_err(|what| CallError::Answer(what).into()),
            Ok(Err(mut message)) => {
                message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
                Err(CallError::Refused(message).into())
            }
            Err(error) => Err(call_failure(&self.store, &self.limits, &error)),
        }
    }
}

impl Instance {
    /// From now on the time of a call counts.
    pub(super) fn begin_call(&mut self) {
        self.store.set_epoch_deadline(ticks(self.limits.timeout));
    }
}

/// What the descriptor asks for.
fn wanted(said: &types::Descriptor) -> Vec<Capability> {
    let asked = [
        (Capability::State, !said.stores.is_empty()),
        (Capability::Random, said.wants_seeds),
        (Capability::Clock, said.wants_timestamps),
    ];
    asked.into_iter().filter_map(|(capability, is_asked)| is_asked.then_some(capability)).collect()
}

fn descriptor(said: &types::Descriptor) -> Result<Descriptor, InitError> {
    if said.fields.len() > MAX_FIELDS || said.stores.len() > MAX_STORES {
        let (fields, stores) = (said.fields.len(), said.stores.len());
        return Err(InitError::Descriptor(format!(
            "{fields} fields and {stores} stores; {MAX_FIELDS} and {MAX_STORES} are the most"
        )));
    }
    let field = |field: &types::Field| Field {
        pointer: field.pointer.clone(),
        want: if field.text { Want::Text } else { Want::Kind },
    };
    Ok(Descriptor {
        name: said.name.clone(),
        version: said.version.clone(),
        state_version: said.state_version,
        fields: said.fields.iter().map(field).collect(),
        wants_values: said.wants_values,
        wants_keys: said.wants_keys,
        wants_timestamps: said.wants_timestamps,
        wants_seeds: said.wants_seeds,
    })
}

/// Tells apart why the engine ended a call, and where in the plugin.
pub(super) fn call_failure(store: &Store<Guest>, limits: &Limits, error: &wasmtime::Error) -> Failure {
    let backtrace = backtrace(error);
    let error = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallError::Timeout(limits.timeout),
        _ if store.data().room.memory.was_hit => CallError::Memory(limits.memory),
        _ if store.data().room.table.was_hit => CallError::Table(limits.table),
        // The rest of the error is the backtrace.
        Some(trap) => CallError::Trap(trap.to_string()),
        None => CallError::Trap(error.root_cause().to_string()),
    };
    Failure { error, backtrace }
}
