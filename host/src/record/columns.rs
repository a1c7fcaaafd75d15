//! Fields of a batch's JSON values, as columns: what the projection makes and stages and sinks read.

use std::sync::{Mutex, PoisonError};

use super::Slices;

/// Columns that are done, for those to come: each grows anew otherwise, for every batch.
static SPARE: Mutex<Vec<Column>> = Mutex::new(Vec::new());
/// Most of them.
const MOST_SPARE: usize = 512;
/// What one that is kept had to hold at most.
const MOST_BYTES: usize = 256 << 10;

/// What a JSON pointer leads to in one record. The numbers are those of the plugin contract (`wit/plugin.wit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The pointer leads nowhere.
    Absent = 0,
    /// `null`
    Null = 1,
    /// A string; its text is decoded.
    String = 2,
    /// A number; its text is as written.
    Number = 3,
    /// `true`
    True = 4,
    /// `false`
    False = 5,
    /// An array
    Array = 6,
    /// An object
    Object = 7,
    /// The value is not a JSON document.
    NotJson = 8,
    /// The value is a JSON document whose root is not an object.
    NotObject = 9,
}

/// How much of a field is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Want {
    /// Only its kind; the text column stays empty.
    Kind,
    /// Also the text of strings (decoded) and numbers (as written).
    Text,
    /// Also the text of `true`, `false`, arrays and objects, as written.
    Raw,
}

/// A field that a stage or sink needs of each record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// JSON pointer (RFC 6901), such as `/name/first`; never empty.
    pub pointer: String,
    /// How much of it.
    pub want: Want,
}

/// One field of all records of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// One [`Kind`] per record, as its number.
    pub kinds: Vec<u8>,
    /// One item per record where text is wanted; otherwise without items.
    pub texts: Slices,
}

impl Column {
    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.kinds.clear();
        self.texts.clear();
    }
}

/// The fields of a batch, in the order in which they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// One per field.
    pub columns: Vec<Column>,
}

impl Columns {
    /// Empty columns for `fields` fields.
    pub fn new(fields: usize) -> Self {
        Self { columns: vec![Column::default(); fields] }
    }

    /// Empty columns for the `fields` fields of a batch, in the memory of a batch before, if there is some.
    pub fn of_batch(fields: usize) -> Self {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        let first = spare.len().saturating_sub(fields);
        let mut columns = spare.split_off(first);
        drop(spare);
        columns.resize_with(fields, Column::default);
        Self { columns }
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Column::clear);
    }
}

impl Drop for Columns {
    fn drop(&mut self) {
        if self.columns.is_empty() {
            return;
        }
        let used = |column: &Column| (1..=MOST_BYTES).contains(&(column.kinds.capacity() + column.texts.bytes()));
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST_SPARE.saturating_sub(spare.len());
        spare.extend(self.columns.drain(..).filter(used).take(room).map(|mut column| {
            column.clear();
            column
        }));
    }
}

impl Kind {
    /// The kind of that number, or `None` beyond 9.
    pub fn from_u8(kind: u8) -> Option<Self> {
        Some(match kind {
            0 => Self::Absent,
            1 => Self::Null,
            2 => Self::String,
            3 => Self::Number,
            4 => Self::True,
            5 => Self::False,
            6 => Self::Array,
            7 => Self::Object,
            8 => Self::NotJson,
            9 => Self::NotObject,
            _ => return None,
        })
    }
}
