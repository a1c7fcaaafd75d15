//! A batch: consecutive records of a source, as columns, with their positions.

use std::{sync::Arc, time::Instant};

use super::{Headers, Letters, Positions, Slices};

/// Consecutive records of one source. Within a partition the offsets ascend.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The topic, file or address that the records come from.
    pub topic: Arc<str>,
    /// When it was read; for figures, never for what becomes of a record.
    pub read_at: Instant,
    /// The records' bytes; null for a tombstone.
    pub values: Slices,
    /// The records' keys; null where there is none.
    pub keys: Slices,
    /// Encoded header blocks, see [`Headers`].
    pub headers: Slices,
    /// Unix milliseconds; -1 where unknown.
    pub timestamps: Vec<i64>,
    /// Partition of each record.
    pub partitions: Vec<i32>,
    /// Offset of each record in its partition.
    pub offsets: Vec<i64>,
    /// Where the records are taken out of dead letters, what is known of those. Their places are those of the records that
    /// were rejected, in no order.
    pub letters: Option<Arc<Letters>>,
    /// Whether a source fills it: then others like it follow, and have use for its memory. Of dead letters none does.
    reserved: bool,
}

/// One record, borrowed from its batch.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// `None` where the record has no key.
    pub key: Option<&'a [u8]>,
    /// `None` for a tombstone.
    pub value: Option<&'a [u8]>,
    /// In order; names may repeat.
    pub headers: Headers<'a>,
    /// Unix milliseconds; -1 where unknown.
    pub timestamp_ms: i64,
    /// Partition of the source record that this one comes from.
    pub partition: i32,
    /// Offset of the source record that this one comes from.
    pub offset: i64,
}

impl Batch {
    /// An empty batch of records from `topic`.
    pub fn new(topic: Arc<str>) -> Self {
        Self {
            topic,
            read_at: Instant::now(),
            values: Slices::default(),
            keys: Slices::default(),
            headers: Slices::default(),
            timestamps: Vec::new(),
            partitions: Vec::new(),
            offsets: Vec::new(),
            letters: None,
            reserved: false,
        }
    }

    /// Makes room for that many more records with values of so many bytes together.
    pub fn reserve(&mut self, records: usize, bytes: usize) {
        self.reserved = true;
        self.values.reserve(records, bytes);
        self.keys.reserve(records, 0);
        self.headers.reserve(records, 0);
        self.timestamps.reserve(records);
        self.partitions.reserve(records);
        self.offsets.reserve(records);
    }

    /// Appends one record.
    pub fn push(&mut self, record: Record<'_>) {
        self.values.push_opt(record.value);
        self.keys.push_opt(record.key);
        let mut headers = super::HeaderWriter::new(&mut self.headers);
        headers.extend(record.headers);
        headers.finish();
        self.timestamps.push(record.timestamp_ms);
        self.partitions.push(record.partition);
        self.offsets.push(record.offset);
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.keys.clear();
        self.headers.clear();
        self.timestamps.clear();
        self.partitions.clear();
        self.offsets.clear();
        self.letters = None;
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Bytes of values, keys and headers: what a limit in bytes counts.
    pub fn bytes(&self) -> usize {
        self.values.bytes() + self.keys.bytes() + self.headers.bytes()
    }

    /// Record `row`; an empty record where there is none.
    pub fn record(&self, row: usize) -> Record<'_> {
        Record {
            key: self.keys.get_opt(row),
            value: self.values.get_opt(row),
            headers: Headers::new(self.headers.get(row)),
            timestamp_ms: self.timestamps.get(row).copied().unwrap_or(-1),
            partition: self.partitions.get(row).copied().unwrap_or(-1),
            offset: self.offsets.get(row).copied().unwrap_or(-1),
        }
    }

    /// These records alone, in that order.
    pub fn pick(&self, rows: &[u32]) -> Self {
        let mut picked = Self::new(self.topic.clone());
        (picked.read_at, picked.letters) = (self.read_at, self.letters.clone());
        rows.iter().for_each(|row| picked.push(self.record(*row as usize)));
        picked
    }

    /// The positions that are reached once all records of the batch are handled.
    pub fn positions(&self) -> Positions {
        let mut positions = Positions::default();
        for (partition, offset) in self.partitions.iter().zip(&self.offsets) {
            positions.advance(*partition, *offset);
        }
        positions
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.reserved {
            self.values.give_away();
        }
    }
}
