//! Rows in the form of CQL's binary protocol, built once and sent as often as needed.
//!
//! In come cells, out come the bytes of an `EXECUTE`'s bound values; all rows of a write share one buffer, which is
//! kept from write to write.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use scylla::serialize::{
    SerializationError,
    row::{RowSerializationContext, SerializeRow},
    writers::RowWriter,
};

use crate::sink::{
    Failure, WriteBatch,
    table::{Cell, ColumnType, Left, Stamps, Table, left},
};

/// The rows of one write.
#[derive(Debug, Default)]
pub struct RowBuffer {
    bytes: Vec<u8>,
    rows: Vec<Encoded>,
    key: Vec<u8>,
}

#[derive(Debug)]
struct Encoded {
    row: u32,
    /// End of its cells in the buffer; they begin where those of the row before end.
    end: usize,
    stamp: i64,
    ttl: Ttl,
}

/// The lifetime that a row is sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// The statement does not ask for one, as the table has none.
    Unasked,
    /// The table's own.
    Default,
    /// Seconds, fewer than the table's own.
    Left(i32),
}

impl RowBuffer {
    /// Encodes these rows in place of those before, and returns the ones that can never be written. Left out, and so taken
    /// for written, are those that have expired since they may have been written before; `ttl_s` is the table's.
    pub fn fill(
        &mut self,
        table: &Table,
        stamps: &mut Stamps,
        batch: &WriteBatch,
        rows: &[u32],
        ttl_s: Option<i32>,
    ) -> Vec<Failure> {
        self.bytes.clear();
        self.rows.clear();
        let now_s = now_s();
        let mut failures = Vec::new();
        let mut cells = Vec::with_capacity(table.columns().len());
        for &row in rows {
            if let Err(failure) = table.cells(batch, row, &mut cells) {
                failures.push(failure);
                continue;
            }
            let ttl = match ttl_s.map(|ttl_s| left_s(batch, row, ttl_s, now_s)) {
                None => Ttl::Unasked,
                Some(Left::All) => Ttl::Default,
                Some(Left::Part(seconds)) => i32::try_from(seconds).map_or(Ttl::Default, Ttl::Left),
                Some(Left::Nothing) => continue,
            };
            self.key.clear();
            for (column, cell) in table.columns().iter().zip(&cells) {
                let from = self.bytes.len();
                append_cell(&mut self.bytes, cell, column.column_type);
                if column.key {
                    self.key.extend_from_slice(self.bytes.get(from..).unwrap_or_default());
                }
            }
            let stamp = stamps.stamp(&self.key, table.moment(batch, row));
            self.rows.push(Encoded { row, end: self.bytes.len(), stamp, ttl });
        }
        failures
    }

    /// The rows, in the order in which they were given.
    pub fn rows(&self) -> impl Iterator<Item = EncodedRow<'_>> {
        let mut start = 0;
        self.rows.iter().map(move |encoded| {
            let cells = self.bytes.get(start..encoded.end).unwrap_or_default();
            start = encoded.end;
            EncodedRow { row: encoded.row, cells, stamp: encoded.stamp, ttl: encoded.ttl }
        })
    }
}

/// The bound values of one row: its cells, then its write timestamp, then its lifetime where the table has one.
#[derive(Debug, Clone, Copy)]
pub struct EncodedRow<'a> {
    row: u32,
    cells: &'a [u8],
    stamp: i64,
    ttl: Ttl,
}

impl<'a> EncodedRow<'a> {
    /// A row of cells that are encoded already, each with its length before it.
    #[cfg(test)]
    pub fn new(row: u32, cells: &'a [u8], stamp: i64) -> Self {
        Self { row, cells, stamp, ttl: Ttl::Unasked }
    }

    /// Bytes of its cells.
    pub fn bytes(&self) -> usize {
        self.cells.len()
    }

    /// Index into the batch.
    pub fn row(&self) -> u32 {
        self.row
    }
}

impl SerializeRow for EncodedRow<'_> {
    fn serialize(&self, _: &RowSerializationContext<'_>, writer: &mut RowWriter) -> Result<(), SerializationError> {
        let mut rest = self.cells;
        while let Some((length, tail)) = rest.split_first_chunk() {
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                writer.make_cell_writer().set_null();
                rest = tail;
                continue;
            };
            let (cell, tail) = tail.split_at_checked(length).unwrap_or((tail, &[]));
            writer.make_cell_writer().set_value(cell).map_err(SerializationError::new)?;
            rest = tail;
        }
        writer.make_cell_writer().set_value(&self.stamp.to_be_bytes()).map_err(SerializationError::new)?;
        match self.ttl {
            Ttl::Unasked => {}
            // Then the database takes the table's own, as if there were no marker.
            Ttl::Default => {
                writer.make_cell_writer().set_unset();
            }
            Ttl::Left(seconds) => {
                writer.make_cell_writer().set_value(&seconds.to_be_bytes()).map_err(SerializationError::new)?;
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// In whole seconds, cut as Cassandra cuts them, so that a replay expires in the same second as the first write.
fn left_s(batch: &WriteBatch, row: u32, ttl_s: i32, now_s: i64) -> Left {
    let written_s = batch.written_ms(row).map(|written_ms| written_ms.div_euclid(1_000));
    left(written_s, ttl_s.into(), now_s)
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Appends a cell with its length before it, -1 for null.
fn append_cell(out: &mut Vec<u8>, cell: &Cell<'_>, column_type: ColumnType) {
    match cell {
        Cell::Null => out.extend_from_slice(&(-1i32).to_be_bytes()),
        Cell::Text(text) => append_value(out, text),
        Cell::Blob(bytes) => append_value(out, bytes),
        Cell::Boolean(value) => append_value(out, &[u8::from(*value)]),
        // The conversion has made sure that the value fits into the column's bytes.
        Cell::Integer(value) => match column_type {
            ColumnType::TinyInt => append_value(out, &(*value as i8).to_be_bytes()),
            ColumnType::SmallInt => append_value(out, &(*value as i16).to_be_bytes()),
            ColumnType::Int => append_value(out, &(*value as i32).to_be_bytes()),
            _ => append_value(out, &value.to_be_bytes()),
        },
        Cell::Float(value) => append_value(out, &value.to_be_bytes()),
        Cell::Double(value) => append_value(out, &value.to_be_bytes()),
        Cell::Varint(numeral) => append_value(out, &numeral.to_varint().unwrap_or_default()),
        Cell::Decimal(numeral, _) => {
            let (scale, unscaled) = numeral.to_decimal();
            append_value(out, &[&scale.to_be_bytes()[..], &unscaled].concat());
        }
        Cell::Uuid(uuid) => append_value(out, uuid.as_bytes()),
        Cell::Timestamp(ms) => append_value(out, &ms.to_be_bytes()),
        // Days count from 2^31 days before 1970, without a sign.
        Cell::Date(days) => append_value(out, &((days + (1 << 31)) as u32).to_be_bytes()),
        Cell::Inet(IpAddr::V4(address)) => append_value(out, &address.octets()),
        Cell::Inet(IpAddr::V6(address)) => append_value(out, &address.octets()),
    }
}

fn append_value(out: &mut Vec<u8>, value: &[u8]) {
    // Batches are bounded far below 2 GiB.
    out.extend_from_slice(&(value.len() as i32).to_be_bytes());
    out.extend_from_slice(value);
}
