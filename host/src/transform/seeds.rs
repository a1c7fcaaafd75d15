//! Randomness for plugins, derived from the record, so that a replay gives the same result.

use twox_hash::{XxHash3_64, XxHash3_128};

use crate::record::Batch;

/// Makes the words of the records of one batch.
pub struct Seeds(u64);

impl Seeds {
    /// For records that a pipeline reads from a topic.
    pub fn new(pipeline: &str, topic: &str) -> Self {
        let length = (pipeline.len() as u64).to_le_bytes();
        Self(XxHash3_64::oneshot(&[&length, pipeline.as_bytes(), topic.as_bytes()].concat()))
    }

    /// Two words for a record, by XXH3 of pipeline, topic, partition, offset and value. Different records give different
    /// words; the value is part of it because a source that cannot be read again may give another record at the same offset.
    pub fn of(&self, batch: &Batch, origin: usize) -> [u64; 2] {
        let record = batch.record(origin);
        let value = XxHash3_128::oneshot_with_seed(self.0, record.value.unwrap_or_default());
        let mut all = [0; 28];
        all[..16].copy_from_slice(&value.to_le_bytes());
        all[16..20].copy_from_slice(&record.partition.to_le_bytes());
        all[20..].copy_from_slice(&record.offset.to_le_bytes());
        let words = XxHash3_128::oneshot_with_seed(self.0, &all);
        [words as u64, (words >> 64) as u64]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::record::{Headers, Record};

    #[test]
    fn words_depend_on_all_that_names_a_record_and_are_the_same_again() {
        let words = |pipeline: &str, topic: &str, partition, offset, value: &str| {
            let mut batch = Batch::new(topic.into());
            let (value, headers) = (Some(value.as_bytes()), Headers::default());
            batch.push(Record { key: None, value, headers, timestamp_ms: 1, partition, offset });
            Seeds::new(pipeline, topic).of(&batch, 0)
        };
        let all = [
            words("p", "t", 0, 0, "v"),
            words("q", "t", 0, 0, "v"),
            words("p", "u", 0, 0, "v"),
            words("pt", "", 0, 0, "v"),
            words("p", "t", 1, 0, "v"),
            words("p", "t", 0, 1, "v"),
            words("p", "t", 0, 0, "w"),
            words("p", "t", 0, 0, ""),
        ];
        assert_eq!(BTreeSet::from(all).len(), all.len());
        assert_eq!(words("p", "t", 0, 0, "v"), all.first().copied().unwrap_or_default());
        // Ids that are in tables were made from these; they must never change.
        assert_eq!(words("p", "t", 1, 2, "v"), [4_546_186_853_145_631_618, 2_265_446_378_727_585_816]);
    }
}
