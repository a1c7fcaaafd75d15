//! What the host keeps beside a plugin instance, and the calls that a plugin can make: state and log, nothing else.
//!
//! Every length and index that comes from a guest is checked here; what is wrong is a trap of that guest.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use wasmtime::ResourceLimiter;

use super::bindings::millstream::plugin::{log, state, types::SlicesResult};
use crate::{
    record::Slices,
    state::{Seconds, StageState},
};

/// A longer log message is cut.
pub(super) const MAX_LOG_BYTES: usize = 4 << 10;
/// A key or value of a store.
pub(super) const MAX_STATE_ITEM: usize = 64 << 10;

/// The state of a stage, shared by its instances.
pub type SharedState = Arc<Mutex<StageState>>;
/// What a stage may log, shared by its instances: one that traps again and again may not log more by that.
pub(super) type SharedLog = Arc<Mutex<LogBudget>>;

/// The host's side of one instance.
pub struct Guest {
    pub(super) state: SharedState,
    /// Rows of the call under way.
    pub(super) rows: u32,
    /// Index of the call's first record within its batch.
    pub(super) first_row: u32,
    /// Time of the call under way.
    pub(super) now: Seconds,
    pub(super) room: Room,
    pub(super) log: SharedLog,
}

/// Bounds the linear memory and the tables of an instance, however many of them a component has.
pub struct Room {
    pub(super) memory: Bound,
    pub(super) table: Bound,
}

/// What of something is in use, and whether more was asked for than there may be: so that a trap can be told from a failed
/// allocation.
pub struct Bound {
    most: usize,
    pub(super) used: usize,
    pub(super) was_hit: bool,
}

/// Bounds what a plugin may log.
pub struct LogBudget {
    pipeline: Arc<str>,
    stage: Arc<str>,
    per_second: u32,
    since: Instant,
    written: u32,
    left_out: u64,
}

impl LogBudget {
    pub(super) fn new(pipeline: Arc<str>, stage: Arc<str>, per_second: u32) -> Self {
        Self { pipeline, stage, per_second, since: Instant::now(), written: 0, left_out: 0 }
    }

    fn write(&mut self, level: u8, message: &str) {
        if self.since.elapsed() >= Duration::from_secs(1) {
            if self.left_out > 0 {
                tracing::warn!(pipeline = %self.pipeline, stage = %self.stage, messages = self.left_out, "plugin logs too much; left out");
            }
            (self.since, self.written, self.left_out) = (Instant::now(), 0, 0);
        }
        if self.written >= self.per_second {
            self.left_out += 1;
            return;
        }
        self.written += 1;
        let message = message.get(..message.floor_char_boundary(MAX_LOG_BYTES)).unwrap_or(message);
        let (pipeline, stage) = (&self.pipeline, &self.stage);
        match level {
            0 => tracing::error!(%pipeline, %stage, "{message}"),
            1 => tracing::warn!(%pipeline, %stage, "{message}"),
            2 => tracing::info!(%pipeline, %stage, "{message}"),
            _ => tracing::debug!(%pipeline, %stage, "{message}"),
        }
    }
}

impl Room {
    pub(super) fn new(memory: usize, table: usize) -> Self {
        let bound = |most| Bound { most, used: 0, was_hit: false };
        Self { memory: bound(memory), table: bound(table) }
    }
}

impl Bound {
    /// Whether one of them may grow so far.
    fn grows(&mut self, current: usize, desired: usize) -> bool {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.most {
            self.was_hit = true;
            return false;
        }
        self.used = used;
        true
    }
}

impl ResourceLimiter for Room {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.memory.grows(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.table.grows(current, desired))
    }
}

impl Guest {
    /// Checks that each key belongs to a record of the call, and gives the record of each.
    fn owners(&self, rows: &[u32], keys: usize) -> wasmtime::Result<Vec<u32>> {
        let owners: Vec<u32> = if rows.is_empty() { (0..keys as u32).collect() } else { rows.to_vec() };
        if owners.len() != keys {
            return Err(bad_call(format!("state: {keys} keys for {} rows", owners.len())));
        }
        match owners.iter().find(|row| **row >= self.rows) {
            Some(row) => Err(bad_call(format!("state: row {row} of a batch of {}", self.rows))),
            None => Ok(owners.into_iter().map(|row| row + self.first_row).collect()),
        }
    }
}

impl state::Host for Guest {
    fn put_if_absent(&mut self, store: u32, rows: Vec<u32>, keys: SlicesResult) -> wasmtime::Result<Vec<u8>> {
        let keys = items("keys", keys)?;
        let owners = self.owners(&rows, keys.len())?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inserted = Vec::with_capacity(keys.len());
        for (key, row) in keys.iter().zip(owners) {
            inserted.push(u8::from(state.put_if_absent(store, row, key, self.now).map_err(bad_call)?));
        }
        Ok(inserted)
    }

    fn get(&mut self, store: u32, keys: SlicesResult) -> wasmtime::Result<SlicesResult> {
        let keys = items("keys", keys)?;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = SlicesResult { ends: Vec::with_capacity(keys.len()), data: Vec::new() };
        for key in keys.iter() {
            found.data.extend_from_slice(state.get(store, key, self.now).map_err(bad_call)?);
            found.ends.push(u32::try_from(found.data.len()).map_err(bad_call)?);
        }
        Ok(found)
    }

    fn put(&mut self, store: u32, rows: Vec<u32>, keys: SlicesResult, values: SlicesResult) -> wasmtime::Result<()> {
        let (keys, values) = (items("keys", keys)?, items("values", values)?);
        let owners = self.owners(&rows, keys.len())?;
        if values.len() != keys.len() {
            return Err(bad_call(format!("state: {} keys and {} values", keys.len(), values.len())));
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for ((key, value), row) in keys.iter().zip(values.iter()).zip(owners) {
            state.put(store, row, key, value, self.now).map_err(bad_call)?;
        }
        Ok(())
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: u8, message: String) -> wasmtime::Result<()> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).write(level, &message);
        Ok(())
    }
}

impl super::bindings::millstream::plugin::types::Host for Guest {}

fn items(what: &str, slices: SlicesResult) -> wasmtime::Result<Slices> {
    let items = Slices::from_parts(slices.ends, slices.data)
        .ok_or_else(|| bad_call(format!("state: the ends of `{what}` do not ascend to the length of its data")))?;
    if let Some(item) = items.iter().find(|item| item.len() > MAX_STATE_ITEM) {
        return Err(bad_call(format!("state: an item of {} bytes; {MAX_STATE_ITEM} is the most", item.len())));
    }
    Ok(items)
}

fn bad_call(what: impl std::fmt::Display) -> wasmtime::Error {
    wasmtime::Error::msg(what.to_string())
}
