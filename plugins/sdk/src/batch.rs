//! A batch as the host hands it over, read by record or by column. Nothing here copies a record's bytes.

use crate::{Field, Slices, TextField, bindings, setup::Plan};

/// What a declared field is in a record's value; as a byte, what [`Batch::kinds`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// There is no such field.
    Absent = 0,
    /// `null`
    Null = 1,
    /// A string.
    String = 2,
    /// A number.
    Number = 3,
    /// `true`
    True = 4,
    /// `false`
    False = 5,
    /// An array.
    Array = 6,
    /// An object.
    Object = 7,
    /// The record's value is not JSON at all.
    NotJson = 8,
    /// The record's value is JSON, but its root is not an object.
    NotObject = 9,
}

impl Kind {
    /// From the byte that crosses the border; a byte that the contract does not know says nothing about the record.
    pub(crate) fn of(byte: u8) -> Self {
        match byte {
            1 => Self::Null,
            2 => Self::String,
            3 => Self::Number,
            4 => Self::True,
            5 => Self::False,
            6 => Self::Array,
            7 => Self::Object,
            8 => Self::NotJson,
            9 => Self::NotObject,
            _ => Self::Absent,
        }
    }
}

/// Consecutive records.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    raw: &'a bindings::Batch,
    plan: &'a Plan,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(raw: &'a bindings::Batch, plan: &'a Plan) -> Self {
        Self { raw, plan }
    }

    /// Number of records.
    pub fn rows(&self) -> usize {
        self.raw.rows as usize
    }

    /// The records, in order.
    pub fn records(self) -> impl Iterator<Item = Record<'a>> {
        (0..self.rows()).map(move |row| Record { batch: self, row })
    }

    /// One byte per record, see [`Kind`] and wit/plugin.wit: for loops that only look at kinds.
    pub fn kinds(&self, field: impl Into<Field>) -> &'a [u8] {
        let start = usize::from(field.into().0) * self.rows();
        self.raw.kinds.get(start..start + self.rows()).unwrap_or_default()
    }

    /// The field's texts, record by record.
    pub fn column(&self, field: TextField) -> Column<'a> {
        match self.texts(field) {
            Some(texts) => Column { kinds: self.kinds(field), ends: &texts.ends, data: &texts.data },
            None => Column { kinds: &[], ends: &[], data: &[] },
        }
    }

    pub(crate) fn key(&self, row: usize) -> Option<&'a [u8]> {
        self.raw.keys.as_ref().map(|keys| keys.get(row))
    }

    fn texts(&self, field: TextField) -> Option<&'a Slices> {
        self.raw.texts.get(self.plan.text_column(field))
    }
}

/// The texts of one field, one per record.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    kinds: &'a [u8],
    ends: &'a [u32],
    data: &'a [u8],
}

impl<'a> Column<'a> {
    /// The cell of a record; one without such a field where there is none.
    #[inline]
    pub fn cell(&self, row: usize) -> Cell<'a> {
        let before = row.checked_sub(1).and_then(|before| self.ends.get(before));
        match (self.kinds.get(row), self.ends.get(row)) {
            (Some(kind), Some(end)) => {
                Cell { kind: *kind, data: self.data, start: before.map_or(0, |end| *end as usize), end: *end as usize }
            }
            _ => Cell { kind: Kind::Absent as u8, data: &[], start: 0, end: 0 },
        }
    }

    /// Bytes of all texts together.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The cells, in the order of the records.
    #[inline]
    pub fn cells(self) -> impl Iterator<Item = Cell<'a>> {
        let mut start = 0;
        self.kinds.iter().zip(self.ends).map(move |(kind, end)| {
            let cell = Cell { kind: *kind, data: self.data, start, end: *end as usize };
            start = cell.end;
            cell
        })
    }
}

/// One record's text in a [`Column`].
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    kind: u8,
    data: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Cell<'a> {
    /// A cell on its own, as rules are tested with.
    pub fn new(kind: Kind, text: &'a [u8]) -> Self {
        Self { kind: kind as u8, data: text, start: 0, end: text.len() }
    }

    /// What the field is in this record.
    pub fn kind(&self) -> Kind {
        Kind::of(self.kind)
    }

    /// The text of a string, a number (as it is written), or of `true` and `false`; `None` for everything else.
    #[inline]
    pub fn text(&self) -> Option<&'a [u8]> {
        match self.kind {
            2 | 3 => self.data.get(self.start..self.end),
            4 => Some(b"true"),
            5 => Some(b"false"),
            _ => None,
        }
    }

    /// What begins where the text of a string or number does, up to the end of the column, and how long the text is.
    #[inline]
    pub(crate) fn onwards(&self) -> (&'a [u8], usize) {
        let rest = self.data.get(self.start..).unwrap_or_default();
        (rest, self.end.saturating_sub(self.start).min(rest.len()))
    }

    /// The `N` bytes that begin where the text of a string or number does, whatever comes after its end: fixed sizes
    /// compile to straight code. `None` near the end of the column, and for what is neither.
    #[inline]
    pub fn window<const N: usize>(&self) -> Option<&'a [u8; N]> {
        if !matches!(self.kind, 2 | 3) {
            return None;
        }
        self.data.get(self.start..)?.first_chunk()
    }
}

/// One record.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    batch: Batch<'a>,
    row: usize,
}

impl<'a> Record<'a> {
    /// Its place in the batch, as [`Store`](crate::Store) wants it.
    pub fn row(&self) -> u32 {
        self.row as u32
    }

    /// What the field is in this record.
    pub fn kind(&self, field: impl Into<Field>) -> Kind {
        self.batch.kinds(field).get(self.row).map_or(Kind::Absent, |kind| Kind::of(*kind))
    }

    /// The text of a string, a number (as it is written), or of `true` and `false`; `None` for everything else.
    pub fn text(&self, field: TextField) -> Option<&'a str> {
        self.text_of_kind(self.kind(field), field)
    }

    /// As [`text`](Record::text), where the field's kind is known.
    #[inline]
    pub(crate) fn text_of_kind(&self, kind: Kind, field: TextField) -> Option<&'a str> {
        match kind {
            // SAFETY: by the contract (wit/plugin.wit) the text of a string or number is UTF-8: the host has checked the whole
            // document and hands over nothing else.
            Kind::String | Kind::Number => {
                Some(unsafe { str::from_utf8_unchecked(self.batch.texts(field)?.get(self.row)) })
            }
            Kind::True => Some("true"),
            Kind::False => Some("false"),
            _ => None,
        }
    }

    /// The record's bytes; empty unless [`Setup::want_values`](crate::Setup::want_values) asked for them.
    pub fn value(&self) -> &'a [u8] {
        self.batch.raw.values.as_ref().map_or(&[], |values| values.get(self.row))
    }

    /// The record's key; empty where it has none or [`Setup::want_keys`](crate::Setup::want_keys) did not ask for it.
    pub fn key(&self) -> &'a [u8] {
        self.batch.key(self.row).unwrap_or_default()
    }

    /// Unix milliseconds; `None` where unknown or where
    /// [`Setup::want_timestamps`](crate::Setup::want_timestamps) did not ask for them.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.batch.raw.timestamps.as_ref()?.get(self.row).copied().filter(|timestamp| *timestamp >= 0)
    }

    /// Random bits that are the same again when the record is replayed; zero unless
    /// [`Setup::want_seeds`](crate::Setup::want_seeds) asked for them.
    pub fn seed(&self) -> [u64; 2] {
        let words = self.batch.raw.seeds.as_deref().unwrap_or_default();
        words.get(self.row * 2..).and_then(|words| words.first_chunk()).copied().unwrap_or_default()
    }
}
