//! What is written in one go: rows that refer to the batch they came from, so that a payload that no stage changed is
//! never copied.

use std::sync::Arc;

use crate::record::{Batch, Columns, Headers, Made, Record, Replay};

/// Which bytes a row's key or value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// The same as in the record that the row came from.
    Source,
    /// Item of [`WriteBatch::made`].
    Made(u32),
    /// Null.
    Null,
}

/// One record to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Index of the record it came from in [`WriteBatch::source`].
    pub origin: u32,
    /// Its value.
    pub value: Text,
    /// Its key.
    pub key: Text,
}

/// Where a row comes from, for messages and write timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Partition of the source.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

/// Rows to write, in order.
#[derive(Debug, Clone)]
pub struct WriteBatch {
    /// The batch that the rows came from.
    pub source: Arc<Batch>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Keys and values that a stage made.
    pub made: Made,
    /// The fields that the sink asked for, one item per row of this batch.
    pub columns: Columns,
    /// What may have been written before a crash.
    pub replay: Option<Arc<Replay>>,
}

impl WriteBatch {
    /// All records of a batch as they are; `columns` stays empty.
    pub fn whole(source: Batch) -> Self {
        let rows = (0..source.len() as u32).map(|origin| Row { origin, value: Text::Source, key: Text::Source });
        let rows = rows.collect();
        Self { source: Arc::new(source), rows, made: Made::default(), columns: Columns::default(), replay: None }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Row `row` as a record; an empty record where there is none. Headers and timestamp are those of its origin.
    pub fn record(&self, row: u32) -> Record<'_> {
        let Some(row) = self.rows.get(row as usize) else {
            return Record {
                key: None,
                value: None,
                headers: Headers::default(),
                timestamp_ms: -1,
                partition: -1,
                offset: -1,
            };
        };
        let source = self.source.record(row.origin as usize);
        Record { key: self.text(row.key, source.key), value: self.text(row.value, source.value), ..source }
    }

    /// Where row `row` comes from.
    pub fn origin(&self, row: u32) -> Origin {
        let record = self.record(row);
        Origin { partition: record.partition, offset: record.offset }
    }

    /// When row `row` may have been written first; `None` where it has not been.
    pub fn written_ms(&self, row: u32) -> Option<i64> {
        let replay = self.replay.as_ref()?;
        let origin = self.origin(row);
        replay.written_ms(origin.partition, origin.offset)
    }

    fn text<'a>(&'a self, text: Text, source: Option<&'a [u8]>) -> Option<&'a [u8]> {
        match text {
            Text::Source => source,
            Text::Made(item) => Some(self.made.get(item as usize)),
            Text::Null => None,
        }
    }
}
