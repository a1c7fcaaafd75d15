//! State in memory, in place of the host's: visible at once, never durable, nothing expires.

use std::{cell::RefCell, collections::HashMap, mem};

use crate::Slices;

/// By store and key: the value.
pub(crate) type Memory = HashMap<(u32, Vec<u8>), Vec<u8>>;

thread_local! {
    static CURRENT: RefCell<Memory> = RefCell::default();
}

/// Makes `memory` the thread's state, and takes out the one that was.
pub(super) fn exchange(memory: &mut Memory) {
    CURRENT.with_borrow_mut(|current| mem::swap(current, memory));
}

pub(crate) fn put_if_absent(store: u32, _rows: &[u32], keys: &Slices) -> Vec<u8> {
    CURRENT.with_borrow_mut(|memory| {
        let mut insert = |i| memory.insert((store, keys.get(i).to_vec()), Vec::new()).is_none();
        (0..keys.len()).map(|i| u8::from(insert(i))).collect()
    })
}

pub(crate) fn get(store: u32, keys: &Slices) -> Slices {
    CURRENT.with_borrow(|memory| {
        let mut values = Slices::default();
        for i in 0..keys.len() {
            values.push(memory.get(&(store, keys.get(i).to_vec())).map_or(&[], Vec::as_slice));
        }
        values
    })
}

pub(crate) fn put(store: u32, _rows: &[u32], keys: &Slices, values: &Slices) {
    CURRENT.with_borrow_mut(|memory| {
        for i in 0..keys.len() {
            memory.insert((store, keys.get(i).to_vec()), values.get(i).to_vec());
        }
    });
}
