//! Keys of 16 bytes without a value (UUIDs that dedup has seen), and since when each is there: 20 bytes and a byte of the
//! hash table for each.
//!
//! A hash table that is full doubles: for a moment it takes three times its memory, afterwards it is half empty, and
//! whoever inserted that one key waits for all of them. So the keys are spread over shards whose sizes ascend in equal
//! steps from 1 to 2. Never more than one of them doubles at a time, and all together are always about as full.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::{HashTable, hash_table};

use super::Seconds;

pub(super) const KEY: usize = 16;
pub(super) const SHARDS: usize = 16;
/// Of 1,024 hashes, how many belong to the shards up to each: their shares grow by the 16th root of 2.
const UP_TO: [u16; SHARDS] = [45, 93, 142, 194, 247, 304, 362, 424, 488, 555, 625, 698, 774, 854, 937, 1024];
const SHARD_OF: [u8; 1024] = shard_of();

#[derive(Debug)]
struct Entry {
    key: [u8; KEY],
    at: Seconds,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keys {
    hasher: FixedState,
    shards: [HashTable<Entry>; SHARDS],
}

impl Keys {
    pub fn new(hasher: FixedState) -> Self {
        Self { hasher, shards: std::array::from_fn(|_| HashTable::new()) }
    }

    /// Inserts a key, or renews one that is not `alive` any more; `false` where it is there.
    pub fn insert(&mut self, key: [u8; KEY], now: Seconds, alive: impl Fn(Seconds) -> bool) -> bool {
        let hash = self.hasher.hash_one(key);
        let Some(shard) = self.shards.get_mut(shard(hash)) else { return false };
        match shard.entry(hash, |entry| entry.key == key, |entry| self.hasher.hash_one(entry.key)) {
            hash_table::Entry::Occupied(found) if alive(found.get().at) => false,
            hash_table::Entry::Occupied(mut found) => {
                found.get_mut().at = now;
                true
            }
            hash_table::Entry::Vacant(free) => {
                free.insert(Entry { key, at: now });
                true
            }
        }
    }

    /// Since when a key is there.
    pub fn at(&self, key: &[u8; KEY]) -> Option<Seconds> {
        let hash = self.hasher.hash_one(key);
        self.shards.get(shard(hash))?.find(hash, |entry| entry.key == *key).map(|entry| entry.at)
    }

    /// Removes a key; since when it was there.
    pub fn remove(&mut self, key: &[u8; KEY]) -> Option<Seconds> {
        let hash = self.hasher.hash_one(key);
        let found = self.shards.get_mut(shard(hash))?.find_entry(hash, |entry| entry.key == *key).ok()?;
        Some(found.remove().0.at)
    }

    /// Keeps only the keys of one shard that are `alive`.
    pub fn retain(&mut self, shard: usize, alive: impl Fn(Seconds) -> bool) {
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.retain(|entry| alive(entry.at));
        }
    }

    /// Every key, and since when it is there.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8; KEY], Seconds)> {
        self.shards.iter().flatten().map(|entry| (&entry.key, entry.at))
    }

    pub fn len(&self) -> usize {
        self.shards.iter().map(HashTable::len).sum()
    }
}

/// By bits that the table itself does not use: it takes the lowest for the place and the highest seven as a tag.
fn shard(hash: u64) -> usize {
    SHARD_OF.get((hash >> 40) as usize % SHARD_OF.len()).map_or(0, |shard| usize::from(*shard))
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index out of range")]
const fn shard_of() -> [u8; 1024] {
    let mut shards = [0; 1024];
    let (mut slot, mut shard) = (0, 0);
    while slot < shards.len() {
        while slot >= UP_TO[shard] as usize {
            shard += 1;
        }
        shards[slot] = shard as u8;
        slot += 1;
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the tables, as hashbrown allots them: a power of two of buckets, at most seven eighths full.
    fn bytes(keys: &Keys) -> usize {
        let buckets = |shard: &HashTable<Entry>| (shard.capacity() * 8 / 7).next_power_of_two();
        keys.shards.iter().map(|shard| buckets(shard) * (size_of::<Entry>() + 1)).sum()
    }

    #[test]
    fn a_key_takes_at_most_40_bytes_however_many_there_are() {
        let mut keys = Keys::new(FixedState::default());
        for n in 0..600_000_u128 {
            assert!(
                keys.insert((n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)).to_le_bytes(), 1, |_| true)
            );
            if n > 50_000 && n.is_multiple_of(10_000) {
                assert!(bytes(&keys) <= 40 * keys.len(), "{} bytes for {} keys", bytes(&keys), keys.len());
            }
        }
        let largest = keys.shards.iter().map(HashTable::len).max().unwrap_or(0);
        assert!(largest < keys.len() / 10, "one shard holds {largest}");
    }
}
