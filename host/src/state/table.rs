//! One keyed store of a stage, in memory: what has been seen or put, and when.
//!
//! Keys of 16 bytes without a value (a UUID that dedup has seen) are kept tightly (`keys.rs`); all others live in an
//! ordinary map. Times are whole seconds, so that an entry may outlive its TTL by less than one second.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::keys::{KEY, Keys, SHARDS};

/// Seconds since the Unix epoch; good until the year 2106.
pub type Seconds = u32;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    value: Box<[u8]>,
    at: Seconds,
}

/// A keyed store. Entries older than the TTL count as absent.
#[derive(Debug)]
pub struct Table {
    ttl_s: Option<Seconds>,
    fixed: Keys,
    other: HashMap<Box<[u8]>, Entry, FixedState>,
    swept_at: Seconds,
    /// The shard of `fixed` that is swept next.
    next_shard: usize,
}

/// What a `put` replaced, so that it can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// The key was absent, or its entry had expired.
    Absent,
    /// The key had this value since then.
    Value(Box<[u8]>, Seconds),
}

impl Table {
    /// An empty store; `ttl_ms` 0 means that entries stay for ever. A TTL counts in whole seconds, rounded up.
    pub fn new(ttl_ms: u64) -> Self {
        let ttl_s = (ttl_ms > 0).then(|| Seconds::try_from(ttl_ms.div_ceil(1000)).unwrap_or(Seconds::MAX));
        let hasher = FixedState::default();
        let other = HashMap::with_hasher(hasher.clone());
        Self { ttl_s, fixed: Keys::new(hasher), other, swept_at: 0, next_shard: 0 }
    }

    /// An empty store with the same TTL.
    pub fn empty_like(&self) -> Self {
        Self { ttl_s: self.ttl_s, ..Self::new(0) }
    }

    /// Inserts the key without a value; `false` where it is there already, which keeps its time.
    pub fn put_if_absent(&mut self, key: &[u8], now: Seconds) -> bool {
        let ttl = self.ttl_s;
        if self.other.get(key).is_some_and(|entry| alive(ttl, entry.at, now)) {
            return false;
        }
        if let Ok(key) = <[u8; KEY]>::try_from(key) {
            return self.fixed.insert(key, now, |at| alive(ttl, at, now));
        }
        self.other.insert(key.into(), Entry { value: Box::default(), at: now });
        true
    }

    /// The value of the key; empty where it is absent or has none.
    pub fn get(&self, key: &[u8], now: Seconds) -> &[u8] {
        match self.other.get(key) {
            Some(entry) if alive(self.ttl_s, entry.at, now) => &entry.value,
            _ => &[],
        }
    }

    /// Sets the value of the key.
    pub fn put(&mut self, key: &[u8], value: &[u8], now: Seconds) -> Before {
        // A key is in one of the two; one that was inserted without a value must be there again after an undo.
        let inserted = self.remove_fixed(key).map(|at| Entry { value: Box::default(), at });
        let entry = Entry { value: value.into(), at: now };
        match self.other.insert(key.into(), entry).or(inserted) {
            Some(old) if alive(self.ttl_s, old.at, now) => Before::Value(old.value, old.at),
            _ => Before::Absent,
        }
    }

    /// Takes an insertion or `put` back.
    pub fn undo(&mut self, key: &[u8], before: &Before) {
        match before {
            Before::Absent => {
                self.remove_fixed(key);
                self.other.remove(key);
            }
            Before::Value(value, at) => {
                self.other.insert(key.into(), Entry { value: value.clone(), at: *at });
            }
        }
    }

    /// Shows every entry, expired ones that were not swept yet included: key, value, and since when it is there.
    pub fn each(&self, mut show: impl FnMut(&[u8], &[u8], Seconds)) {
        self.fixed.iter().for_each(|(key, at)| show(key, &[], at));
        self.other.iter().for_each(|(key, entry)| show(key, &entry.value, entry.at));
    }

    /// The value of a key and since when it is there, expired or not.
    pub fn find(&self, key: &[u8]) -> Option<(&[u8], Seconds)> {
        if let Some(entry) = self.other.get(key) {
            return Some((&entry.value, entry.at));
        }
        Some((&[], self.fixed.at(key.try_into().ok()?)?))
    }

    /// Puts an entry in as it was elsewhere, unless the key is there.
    pub fn import(&mut self, key: &[u8], value: &[u8], at: Seconds) {
        if self.put_if_absent(key, at) && !value.is_empty() {
            self.put(key, value, at);
        }
    }

    /// Number of entries, expired ones that were not swept yet included.
    pub fn len(&self) -> usize {
        self.fixed.len() + self.other.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long entries live.
    pub fn ttl_s(&self) -> Option<Seconds> {
        self.ttl_s
    }

    /// Changes how long entries live, those that are there included.
    pub fn set_ttl(&mut self, ttl_s: Option<Seconds>) {
        self.ttl_s = ttl_s;
    }

    /// Forgets expired entries. All are looked at once in an eighth of the TTL, a shard at a time, so that no batch waits for
    /// all of them.
    pub fn sweep(&mut self, now: Seconds) {
        let Some(ttl) = self.ttl_s else { return };
        let due = now.saturating_sub(self.swept_at) / (ttl / (8 * SHARDS as Seconds)).max(1);
        if due == 0 {
            return;
        }
        self.swept_at = now;
        for _ in 0..SHARDS.min(due as usize) {
            self.fixed.retain(self.next_shard, |at| alive(Some(ttl), at, now));
            if self.next_shard == 0 {
                self.other.retain(|_, entry| alive(Some(ttl), entry.at, now));
            }
            self.next_shard = (self.next_shard + 1) % SHARDS;
        }
    }

    /// When the key was inserted, if it was there.
    fn remove_fixed(&mut self, key: &[u8]) -> Option<Seconds> {
        self.fixed.remove(key.try_into().ok()?)
    }
}

fn alive(ttl: Option<Seconds>, at: Seconds, now: Seconds) -> bool {
    // Both times are cut to whole seconds: `<` would forget an entry up to a second before its time.
    ttl.is_none_or(|ttl| now.saturating_sub(at) <= ttl)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&[u8]; 3] = [b"short", b"0123456789abcdef", b"a key that is longer than sixteen bytes"];

    #[test]
    fn a_key_is_absent_once_and_again_after_its_ttl() {
        for key in KEYS {
            let mut table = Table::new(10_000);
            assert!(table.put_if_absent(key, 100));
            assert!(!table.put_if_absent(key, 109));
            assert!(!table.put_if_absent(key, 110));
            assert!(table.put_if_absent(key, 111));
            assert!(!table.put_if_absent(key, 112));
        }
    }

    #[test]
    fn undo_brings_back_what_was_there() {
        for key in KEYS {
            let mut table = Table::new(0);
            assert!(table.put_if_absent(key, 1));
            table.undo(key, &Before::Absent);
            assert!(table.is_empty());
            assert_eq!(table.put(key, b"old", 1), Before::Absent);
            let before = table.put(key, b"new", 2);
            assert_eq!(table.get(key, 3), b"new");
            table.undo(key, &before);
            assert_eq!(table.get(key, 3), b"old");
        }
    }

    #[test]
    fn undoing_a_put_leaves_an_earlier_insertion() {
        for key in KEYS {
            let mut table = Table::new(10_000);
            assert!(table.put_if_absent(key, 1));
            let before = table.put(key, b"v", 2);
            table.undo(key, &before);
            assert!(!table.put_if_absent(key, 11), "it has been seen");
            assert!(table.put_if_absent(key, 12), "since second 1");
        }
    }

    #[test]
    fn a_put_key_is_not_absent() {
        for key in KEYS {
            let mut table = Table::new(0);
            table.put(key, b"v", 1);
            assert!(!table.put_if_absent(key, 1));
        }
    }

    #[test]
    fn sweep_forgets_only_what_expired() {
        let mut table = Table::new(8_000);
        table.put_if_absent(KEYS[0], 100);
        table.put_if_absent(KEYS[1], 105);
        table.sweep(109);
        assert_eq!(table.len(), 1);
        assert!(!table.put_if_absent(KEYS[1], 109));
    }
}
