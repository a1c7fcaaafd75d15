//! Randomness for plugins, derived from the record, so that a replay gives the same result.

use sha2::{Digest, Sha256};

use crate::record::Batch;

/// Two words for a record: SHA-256 of pipeline, topic, partition, offset and value. Different records give different words;
/// the value is part of it because a source that cannot be read again may give another record at the same offset.
pub fn seed(pipeline: &str, batch: &Batch, origin: usize) -> [u64; 2] {
    let record = batch.record(origin);
    let mut hash = Sha256::new();
    for part in [pipeline.as_bytes(), batch.topic.as_bytes()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(record.partition.to_le_bytes());
    hash.update(record.offset.to_le_bytes());
    hash.update(record.value.unwrap_or_default());
    let digest = hash.finalize();
    let mut words = digest.chunks_exact(8).map(|word| word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    [words.next().unwrap_or_default(), words.next().unwrap_or_default()]
}
