//! The state of one stage: its tables, and what the batch under way has written to them.
//!
//! A write is visible at once, so that a later record of the same batch, or of the next one, finds it. It becomes
//! durable with the frame of its batch, and is undone if its call fails or if the sink refuses its record for good.

use std::{collections::BTreeMap, sync::Arc};

use super::table::{Before, Seconds, Table};
use crate::record::Slices;

/// Index of a store, in the order in which the stage's plugin declared its stores.
pub type StoreIndex = u32;

/// The version of state that was written down without one.
pub const FIRST_VERSION: u32 = 1;

/// The tables of one stage.
#[derive(Debug)]
pub struct StageState {
    /// What the entries mean, as the plugin numbers it.
    version: u32,
    names: Arc<Vec<String>>,
    tables: Vec<Table>,
    writes: Writes,
    /// What was restored of older versions, by version: to be taken over before anything else is done.
    older: BTreeMap<u32, StageState>,
}

impl Default for StageState {
    fn default() -> Self {
        let (names, tables, writes, older) = Default::default();
        Self { version: FIRST_VERSION, names, tables, writes, older }
    }
}

/// State writes in the order in which they were made, each belonging to a record.
#[derive(Debug, Default)]
pub struct Writes {
    /// One per write.
    pub ops: Vec<Write>,
    /// The key of each write.
    pub keys: Slices,
    /// The value of each `put`, in order.
    pub values: Slices,
    /// Names of the stores, by [`Write::store`].
    pub stores: Arc<Vec<String>>,
    /// Version of the state that they belong to.
    pub version: u32,
}

impl Writes {
    /// Takes over the writes of a later call.
    pub fn append(&mut self, later: Writes) {
        if self.ops.is_empty() {
            *self = later;
            return;
        }
        let values = self.values.len() as u32;
        self.ops
            .extend(later.ops.into_iter().map(|write| Write { value: write.value.map(|item| item + values), ..write }));
        for (to, from) in [(&mut self.keys, &later.keys), (&mut self.values, &later.values)] {
            for item in from.iter() {
                to.push(item);
            }
        }
    }
}

/// One state write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which of the stage's stores.
    pub store: StoreIndex,
    /// The record it belongs to: within a call, the row of the call; once taken, the record's index in its batch.
    pub row: u32,
    /// Item of [`Writes::values`], or `None` for an insertion without value.
    pub value: Option<u32>,
    /// Seconds since the Unix epoch, from which the TTL counts.
    pub at: Seconds,
    /// What it replaced.
    pub before: Before,
}

/// A plugin used a store that it did not declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("store {0} is not declared in the plugin's descriptor")]
pub struct UnknownStore(pub StoreIndex);

impl StageState {
    /// A stage without any store.
    pub fn new() -> Self {
        Self::default()
    }

    /// What its entries mean.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Says what its entries mean; none is touched.
    pub fn set_version(&mut self, version: u32) {
        self.version = version;
    }

    /// Where entries of an older version are restored to: the same stores, empty.
    pub fn older(&mut self, version: u32) -> &mut StageState {
        let (names, tables) = (&self.names, &self.tables);
        self.older.entry(version).or_insert_with(|| StageState {
            version,
            names: names.clone(),
            tables: tables.iter().map(Table::empty_like).collect(),
            ..StageState::default()
        })
    }

    /// The versions of which older entries were restored.
    pub fn older_versions(&self) -> impl Iterator<Item = u32> {
        self.older.keys().copied()
    }

    /// Takes out what was restored of older versions, by version.
    pub fn take_older(&mut self) -> BTreeMap<u32, StageState> {
        std::mem::take(&mut self.older)
    }

    /// Forgets all entries, those of older versions included.
    pub fn clear(&mut self) {
        self.tables = self.tables.iter().map(Table::empty_like).collect();
        self.older.clear();
    }

    /// The store of that name, made where it is missing; a store that is there keeps its entries and its TTL.
    pub fn declare(&mut self, name: &str, ttl_ms: u64) -> StoreIndex {
        if let Some(found) = self.index(name) {
            return found;
        }
        Arc::make_mut(&mut self.names).push(name.to_owned());
        self.tables.push(Table::new(ttl_ms));
        (self.tables.len() - 1) as StoreIndex
    }

    /// Names of the stores, by index.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The longest time after which entries may be forgotten; `None` if some store keeps them for ever.
    pub fn longest_ttl_s(&self) -> Option<Seconds> {
        self.tables.iter().map(Table::ttl_s).try_fold(0, |longest, ttl| ttl.map(|ttl| longest.max(ttl)))
    }

    /// Entries of all stores.
    pub fn len(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
    }

    /// Whether no store has an entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inserts the key for a record of the call under way; `false` where it is there.
    pub fn put_if_absent(
        &mut self,
        store: StoreIndex,
        row: u32,
        key: &[u8],
        now: Seconds,
    ) -> Result<bool, UnknownStore> {
        let inserted = self.table(store)?.put_if_absent(key, now);
        if inserted {
            self.writes.keys.push(key);
            self.writes.ops.push(Write { store, row, value: None, at: now, before: Before::Absent });
        }
        Ok(inserted)
    }

    /// Sets the value of the key for a record of the call under way.
    pub fn put(
        &mut self,
        store: StoreIndex,
        row: u32,
        key: &[u8],
        value: &[u8],
        now: Seconds,
    ) -> Result<(), UnknownStore> {
        let before = self.table(store)?.put(key, value, now);
        let item = self.writes.values.len() as u32;
        self.writes.keys.push(key);
        self.writes.values.push(value);
        self.writes.ops.push(Write { store, row, value: Some(item), at: now, before });
        Ok(())
    }

    /// The value of the key; empty where it is absent.
    pub fn get(&self, store: StoreIndex, key: &[u8], now: Seconds) -> Result<&[u8], UnknownStore> {
        Ok(self.tables.get(store as usize).ok_or(UnknownStore(store))?.get(key, now))
    }

    /// Takes what the call under way has written; the caller keeps it until it is durable, or undoes it.
    pub fn take_writes(&mut self) -> Writes {
        Writes { stores: self.names.clone(), version: self.version, ..std::mem::take(&mut self.writes) }
    }

    /// Takes all entries out; the stores stay declared, and numbered as they are.
    pub fn take_entries(&mut self) -> StageState {
        let tables = self.tables.iter().map(Table::empty_like).collect();
        let empty = Self { version: self.version, names: self.names.clone(), tables, ..Self::default() };
        std::mem::replace(self, empty)
    }

    /// Takes over the entries that another version of the stage has kept. A store that both declare keeps its entries and
    /// gets this version's TTL; one that only the other declared is kept as it is, for a version that declares it again.
    pub fn adopt(&mut self, other: StageState) {
        for (name, mut table) in other.names.iter().zip(other.tables) {
            match self.index(name).and_then(|index| self.tables.get_mut(index as usize)) {
                Some(mine) => {
                    table.set_ttl(mine.ttl_s());
                    *mine = table;
                }
                None => {
                    Arc::make_mut(&mut self.names).push(name.clone());
                    self.tables.push(table);
                }
            }
        }
    }

    /// Undoes what the call under way has written.
    pub fn undo_call(&mut self) {
        let writes = self.take_writes();
        self.undo(&writes, |_| true);
    }

    /// Undoes the writes that belong to the records that `undone` names. All are taken back, last one first, and those
    /// of the other records made again: two records may have written to one key.
    pub fn undo(&mut self, writes: &Writes, undone: impl Fn(u32) -> bool) {
        if !writes.ops.iter().any(|write| undone(write.row)) {
            return;
        }
        for (i, write) in writes.ops.iter().enumerate().rev() {
            if let Some(store) = self.store_of(writes, write)
                && let Ok(table) = self.table(store)
            {
                table.undo(writes.keys.get(i), &write.before);
            }
        }
        self.redo(writes, |row| !undone(row));
    }

    /// Makes the writes again that belong to the records that `redone` names.
    pub fn redo(&mut self, writes: &Writes, redone: impl Fn(u32) -> bool) {
        for (i, write) in writes.ops.iter().enumerate().filter(|(_, write)| redone(write.row)) {
            let value = write.value.map(|item| writes.values.get(item as usize));
            if let Some(store) = self.store_of(writes, write) {
                // The store was found a moment ago.
                let _ = self.restore(store, writes.keys.get(i), value, write.at);
            }
        }
    }

    /// The store of a write, which may be another version's and have another number here.
    fn store_of(&self, writes: &Writes, write: &Write) -> Option<StoreIndex> {
        self.index(writes.stores.get(write.store as usize)?)
    }

    /// Makes a write again that a frame holds. Writes are restored in the order of their frames.
    pub fn restore(
        &mut self,
        store: StoreIndex,
        key: &[u8],
        value: Option<&[u8]>,
        at: Seconds,
    ) -> Result<(), UnknownStore> {
        let table = self.table(store)?;
        match value {
            None => {
                table.put_if_absent(key, at);
            }
            Some(value) => {
                table.put(key, value, at);
            }
        }
        Ok(())
    }

    /// Forgets expired entries now and then.
    pub fn sweep(&mut self, now: Seconds) {
        for table in &mut self.tables {
            table.sweep(now);
        }
    }

    pub(super) fn tables(&self) -> &[Table] {
        &self.tables
    }

    pub(super) fn table_named(&mut self, name: &str) -> Option<&mut Table> {
        let index = self.index(name)?;
        self.tables.get_mut(index as usize)
    }

    fn index(&self, name: &str) -> Option<StoreIndex> {
        self.names.iter().position(|known| known == name).map(|i| i as StoreIndex)
    }

    fn table(&mut self, store: StoreIndex) -> Result<&mut Table, UnknownStore> {
        self.tables.get_mut(store as usize).ok_or(UnknownStore(store))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_failed_call_leaves_no_trace() {
        let mut state = StageState::new();
        let store = state.declare("seen", 0);
        state.put(store, 0, b"k", b"old", 1).unwrap();
        state.take_writes();
        state.put_if_absent(store, 0, b"new", 2).unwrap();
        state.put(store, 1, b"k", b"1", 2).unwrap();
        state.put(store, 2, b"k", b"2", 2).unwrap();
        state.undo_call();
        assert_eq!(state.get(store, b"k", 2).unwrap(), b"old");
        assert!(state.put_if_absent(store, 0, b"new", 3).unwrap());
    }

    #[test]
    fn only_the_refused_record_is_forgotten() {
        let mut state = StageState::new();
        let store = state.declare("seen", 0);
        for (row, key) in [b"a", b"b", b"c"].iter().enumerate() {
            state.put_if_absent(store, row as u32, *key, 1).unwrap();
        }
        let writes = state.take_writes();
        state.undo(&writes, |row| row == 1);
        assert!(!state.put_if_absent(store, 0, b"a", 1).unwrap());
        assert!(state.put_if_absent(store, 0, b"b", 1).unwrap());
    }

    #[test]
    fn a_later_record_keeps_what_it_put_over_a_refused_one() {
        let mut state = StageState::new();
        let store = state.declare("last", 0);
        for (row, value) in [b"a", b"b", b"c"].iter().enumerate() {
            state.put(store, row as u32, b"k", *value, 1).unwrap();
        }
        let writes = state.take_writes();
        state.undo(&writes, |row| row == 1);
        assert_eq!(state.get(store, b"k", 1).unwrap(), b"c");
        state.undo(&writes, |row| row >= 1);
        assert_eq!(state.get(store, b"k", 1).unwrap(), b"a");
    }

    #[test]
    fn another_version_keeps_the_entries_and_may_number_its_stores_otherwise() {
        let mut old = StageState::new();
        let (seen, last) = (old.declare("seen", 0), old.declare("last", 0));
        old.put_if_absent(seen, 0, b"a", 1).unwrap();
        old.put(last, 0, b"a", b"1", 1).unwrap();
        let under_way = old.take_writes();
        let mut new = StageState::new();
        let (last, more) = (new.declare("last", 0), new.declare("more", 0));
        new.adopt(old);
        assert_eq!(new.get(last, b"a", 1).unwrap(), b"1");
        assert!(new.put_if_absent(more, 0, b"a", 1).unwrap());
        let seen = new.declare("seen", 0);
        assert!(!new.put_if_absent(seen, 0, b"a", 1).unwrap(), "kept although nobody declared it");
        new.undo(&under_way, |_| true);
        assert_eq!(new.get(last, b"a", 1).unwrap(), b"");
        assert!(new.put_if_absent(seen, 0, b"a", 1).unwrap());
    }

    #[test]
    fn entries_that_go_to_another_version_and_come_back_are_in_the_same_stores() {
        let (mut old, mut new) = (StageState::new(), StageState::new());
        let (seen, last) = (old.declare("seen", 0), old.declare("last", 0));
        new.declare("last", 0);
        new.declare("seen", 0);
        old.put_if_absent(seen, 0, b"a", 1).unwrap();
        old.put(last, 0, b"a", b"1", 1).unwrap();
        old.take_writes();
        new.adopt(old.take_entries());
        assert!(old.is_empty() && new.len() == 2);
        old.adopt(new.take_entries());
        assert_eq!(old.get(last, b"a", 1).unwrap(), b"1");
        assert!(!old.put_if_absent(seen, 0, b"a", 1).unwrap());
    }

    #[test]
    fn an_undeclared_store_is_refused() {
        assert_eq!(StageState::new().put_if_absent(3, 0, b"k", 0), Err(UnknownStore(3)));
    }
}
