//! State that the host keeps for a plugin: written at once, durable together with the records it belongs to.
//!
//! Natively, [`testing`](crate::testing) stands in for the host with a store in memory that forgets nothing.

use crate::{Record, Slices};

/// One declared store. `rows` say which record each key belongs to; empty, key `i` belongs to record `i`.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    index: u32,
}

impl Store {
    pub(crate) fn new(index: u32) -> Self {
        Self { index }
    }

    /// Remembers each key. One answer per key: `true` if it was not there before, also not earlier in `keys`.
    pub fn put_if_absent(&self, rows: &[u32], keys: &Slices) -> Vec<bool> {
        host::put_if_absent(self.index, rows, keys).into_iter().map(|inserted| inserted == 1).collect()
    }

    /// One value per key; empty where the key is absent.
    pub fn get(&self, keys: &Slices) -> Slices {
        host::get(self.index, keys)
    }

    /// Sets each key to its value.
    pub fn put(&self, rows: &[u32], keys: &Slices, values: &Slices) {
        host::put(self.index, rows, keys, values);
    }

    /// Remembers one key on behalf of a record: `true` if it was not there before.
    pub fn put_one_if_absent(&self, record: &Record<'_>, key: &[u8]) -> bool {
        self.put_if_absent(&[record.row()], &one(key)).first().copied().unwrap_or(false)
    }

    /// The value of one key; empty where it is absent.
    pub fn get_one(&self, key: &[u8]) -> Vec<u8> {
        self.get(&one(key)).data
    }

    /// Sets one key to a value on behalf of a record.
    pub fn put_one(&self, record: &Record<'_>, key: &[u8], value: &[u8]) {
        self.put(&[record.row()], &one(key), &one(value));
    }
}

fn one(item: &[u8]) -> Slices {
    Slices { ends: vec![item.len() as u32], data: item.to_vec() }
}

#[cfg(target_family = "wasm")]
use crate::bindings::millstream::plugin::state as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::memory as host;
