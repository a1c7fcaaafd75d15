//! Entries on their way from one version of a stage to another: out of the tables, through the plugin, into other tables and
//! into the changelog.
//!
//! Flat, as they cross the plugin border, and in pieces, so that no call takes long.

use super::{Before, Seconds, StageState};
use crate::record::Slices;

/// Entries of one piece; a call with so many takes a fraction of a millisecond.
const PIECE_ENTRIES: usize = 1024;
/// Bytes of one piece, its last entry aside.
const PIECE_BYTES: usize = 256 << 10;

/// Some entries of one store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// The store.
    pub store: String,
    /// The key of each.
    pub keys: Slices,
    /// The value of each; empty where it has none.
    pub values: Slices,
    /// Since when each is there.
    pub at: Vec<Seconds>,
}

/// Entries of a stage that were copied while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The stage.
    pub stage: String,
    /// The version that has kept them.
    pub version: u32,
    /// The entries.
    pub entries: Vec<Entries>,
}

/// A stage's state, taken over from an older version: all that it has kept, to be made durable in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The stage.
    pub stage: String,
    /// The version that its plugin keeps now.
    pub version: u32,
    /// All its entries.
    pub entries: Vec<Entries>,
}

/// State of a version that the plugin of its stage is too old for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "stage `{stage}` has kept state of version {found}, and its plugin is made for version {keeps}; run a newer version of the \
     plugin, or give the stage another name to begin with empty state"
)]
pub struct NewerState {
    /// The stage.
    pub stage: String,
    /// The version that was found.
    pub found: u32,
    /// The version of its plugin.
    pub keeps: u32,
}

impl Entries {
    fn is_full(&self) -> bool {
        self.at.len() >= PIECE_ENTRIES || self.keys.bytes() + self.values.bytes() >= PIECE_BYTES
    }
}

impl StageState {
    /// All entries, in pieces.
    pub fn entries(&self) -> Vec<Entries> {
        self.entries_but(|_, _| false)
    }

    /// All entries but those, by store and key.
    pub fn entries_but(&self, left_out: impl Fn(&str, &[u8]) -> bool) -> Vec<Entries> {
        let mut all = Vec::new();
        for (name, table) in self.names().iter().zip(self.tables()) {
            let mut pieces = Pieces::new(name);
            table.each(|key, value, at| {
                if !left_out(name, key) {
                    pieces.push(key, value, at);
                }
            });
            all.append(&mut pieces.done());
        }
        all
    }

    /// The entries of these keys, by store; a key without one is passed over.
    pub fn entries_of<'a>(&self, keys: impl Iterator<Item = &'a (String, Box<[u8]>)>) -> Vec<Entries> {
        let mut all: Vec<Pieces> = self.names().iter().map(|name| Pieces::new(name)).collect();
        for (store, key) in keys {
            let found = self.names().iter().position(|name| name == store);
            let Some((pieces, table)) = found.and_then(|at| Some((all.get_mut(at)?, self.tables().get(at)?))) else {
                continue;
            };
            if let Some((value, at)) = table.find(key) {
                pieces.push(key, value, at);
            }
        }
        all.into_iter().flat_map(Pieces::done).collect()
    }

    /// Puts entries in as they are. What is there already stays, or, where they come `over` it, goes. What belongs to a
    /// store that is not declared is left out.
    pub fn import(&mut self, entries: &Entries, over: bool) {
        let Some(table) = self.table_named(&entries.store) else { return };
        for (i, at) in entries.at.iter().enumerate() {
            let key = entries.keys.get(i);
            if over {
                table.undo(key, &Before::Absent);
            }
            table.import(key, entries.values.get(i), *at);
        }
    }
}

/// Entries of one store that are cut into pieces as they come.
struct Pieces {
    done: Vec<Entries>,
    piece: Entries,
}

impl Pieces {
    fn new(store: &str) -> Self {
        Self { done: Vec::new(), piece: Entries { store: store.to_owned(), ..Entries::default() } }
    }

    fn push(&mut self, key: &[u8], value: &[u8], at: Seconds) {
        self.piece.keys.push(key);
        self.piece.values.push(value);
        self.piece.at.push(at);
        if self.piece.is_full() {
            let next = Entries { store: self.piece.store.clone(), ..Entries::default() };
            self.done.push(std::mem::replace(&mut self.piece, next));
        }
    }

    fn done(mut self) -> Vec<Entries> {
        if !self.piece.at.is_empty() {
            self.done.push(self.piece);
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_leave_a_state_in_pieces_and_make_the_same_one_elsewhere() {
        let mut state = StageState::new();
        let (seen, last) = (state.declare("seen", 0), state.declare("last", 10_000));
        for n in 0..5_000u32 {
            let key = [n.to_le_bytes(); 4].concat();
            assert_eq!(state.put_if_absent(seen, 0, &key, n), Ok(true));
            assert_eq!(state.put(last, 0, &n.to_le_bytes(), &vec![b'x'; 300], 7), Ok(()));
        }
        let pieces = state.entries();
        assert!(pieces.len() > 10 && pieces.iter().all(|piece| piece.at.len() <= PIECE_ENTRIES));
        let mut other = StageState::new();
        other.declare("last", 0);
        other.declare("seen", 0);
        assert_eq!(other.put(0, 0, &9u32.to_le_bytes(), b"mine", 8), Ok(()));
        pieces.iter().for_each(|piece| other.import(piece, false));
        assert_eq!(other.len(), 10_000);
        assert_eq!(other.get(0, &9u32.to_le_bytes(), 8), Ok(b"mine".as_slice()), "what was there stays");
        assert_eq!(other.get(0, &8u32.to_le_bytes(), 8).map(<[u8]>::len), Ok(300));
        let keys = [("last".to_owned(), 9u32.to_le_bytes().into()), ("last".to_owned(), b"none".as_slice().into())];
        state.entries_of(keys.iter()).iter().for_each(|piece| other.import(piece, true));
        assert_eq!(other.get(0, &9u32.to_le_bytes(), 8).map(<[u8]>::len), Ok(300), "it came over what was there");
        assert_eq!(state.entries_but(|store, _| store == "last").len(), 5);
        assert_eq!(other.put_if_absent(1, 0, &[42u32.to_le_bytes(); 4].concat(), 50), Ok(false));
    }
}
