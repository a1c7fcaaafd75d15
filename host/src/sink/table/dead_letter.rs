//! Dead letters as table rows: fixed columns, filled from the record and its `millstream.*` headers.
//!
//! The id is `pipeline/topic/partition/offset`, so that a replay writes the same row again. A header that is missing
//! leaves its column null, or is made up for by what the batch itself knows; a dead letter is never refused.

use std::borrow::Cow;

use super::{Cell, Column, ColumnType, Numeral, cell::parse_instant};
use crate::{
    record::{Headers, Record},
    sink::WriteBatch,
};

/// The columns, in order. The primary key is the first one.
pub fn columns() -> Vec<Column> {
    let columns = [
        ("id", ColumnType::Text),
        ("pipeline", ColumnType::Text),
        ("stage", ColumnType::Text),
        ("plugin", ColumnType::Text),
        ("plugin_version", ColumnType::Text),
        ("plugin_sha256", ColumnType::Text),
        ("reason", ColumnType::Text),
        ("detail", ColumnType::Text),
        ("source_topic", ColumnType::Text),
        ("source_partition", ColumnType::Int),
        ("source_offset", ColumnType::BigInt),
        ("failed_at", ColumnType::Timestamp),
        ("attempt", ColumnType::Int),
        ("record_key", ColumnType::Blob),
        ("record_value", ColumnType::Blob),
    ];
    let column =
        |(name, column_type): (&str, ColumnType)| Column { name: name.to_owned(), column_type, key: name == "id" };
    columns.map(column).into()
}

/// When the record failed, by its header; Unix milliseconds.
pub fn failed_at_ms(headers: Headers<'_>) -> Option<i64> {
    parse_instant(std::str::from_utf8(headers.get("millstream.time")?).ok()?)
}

/// A dead letter, borrowed from its batch.
pub struct DeadLetter<'a> {
    record: Record<'a>,
    pipeline: Cow<'a, str>,
    topic: Cow<'a, str>,
    partition: i64,
    offset: i64,
}

impl<'a> DeadLetter<'a> {
    /// Reads row `row`; `pipeline` is that of the sink, for a letter that does not name its own.
    pub fn read(batch: &'a WriteBatch, row: u32, pipeline: &str) -> Self {
        let record = batch.record(row);
        let headers = record.headers;
        Self {
            record,
            pipeline: text(headers, "millstream.pipeline").unwrap_or_else(|| pipeline.to_owned().into()),
            topic: text(headers, "millstream.source.topic").unwrap_or(Cow::Borrowed(&batch.source.topic)),
            partition: integer(headers, "millstream.source.partition", i32::MAX.into())
                .unwrap_or(record.partition.into()),
            offset: integer(headers, "millstream.source.offset", i64::MAX).unwrap_or(record.offset),
        }
    }

    /// Appends one cell for each of [`columns`].
    pub fn append_to(self, cells: &mut Vec<Cell<'a>>) {
        let Self { record, pipeline, topic, partition, offset } = self;
        let headers = record.headers;
        let header = |name| text(headers, name).map_or(Cell::Null, text_cell);
        let blob = |bytes: Option<&'a [u8]>| bytes.map_or(Cell::Null, Cell::Blob);
        let id = format!("{pipeline}/{topic}/{partition}/{offset}");
        cells.extend([
            text_cell(id.into()),
            text_cell(pipeline),
            header("millstream.stage"),
            header("millstream.plugin"),
            header("millstream.plugin.version"),
            header("millstream.plugin.sha256"),
            header("millstream.reason"),
            header("millstream.detail"),
            text_cell(topic),
            Cell::Integer(partition),
            Cell::Integer(offset),
            failed_at_ms(headers).map_or(Cell::Null, Cell::Timestamp),
            integer(headers, "millstream.attempt", i32::MAX.into()).map_or(Cell::Null, Cell::Integer),
            blob(record.key),
            blob(record.value),
        ]);
    }
}

/// A header as text; what is not UTF-8 in it is replaced, since the column takes nothing else.
fn text<'a>(headers: Headers<'a>, name: &str) -> Option<Cow<'a, str>> {
    headers.get(name).map(String::from_utf8_lossy)
}

fn text_cell(text: Cow<'_, str>) -> Cell<'_> {
    Cell::Text(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

fn integer(headers: Headers<'_>, name: &str, max: i64) -> Option<i64> {
    let value = Numeral::parse(std::str::from_utf8(headers.get(name)?).ok()?)?.to_i64()?;
    (-max..=max).contains(&value).then_some(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;
    use crate::{
        record::{Batch, HeaderWriter, Slices},
        sink::table::Table,
    };

    fn letter(headers: &[(&str, &str)]) -> WriteBatch {
        let mut blocks = Slices::default();
        let mut writer = HeaderWriter::new(&mut blocks);
        for (name, value) in headers {
            writer.push(name, Some(value.as_bytes()));
        }
        writer.finish();
        let mut batch = Batch::new("users".into());
        batch.push(Record {
            key: Some(b"k"),
            value: Some(b"\xff\x00"),
            headers: Headers::new(blocks.get(0)),
            timestamp_ms: 5,
            partition: 3,
            offset: 42,
        });
        WriteBatch::whole(batch)
    }

    fn cells(batch: &WriteBatch) -> Vec<Cell<'_>> {
        let mut cells = Vec::new();
        Table::of_dead_letters("store".into()).cells(batch, 0, &mut cells).unwrap();
        cells
    }

    #[test]
    fn headers_become_columns_and_bytes_stay_untouched() {
        let batch = letter(&[
            ("millstream.pipeline", "p"),
            ("millstream.reason", "bad_email"),
            ("millstream.source.topic", "t"),
            ("millstream.source.partition", "7"),
            ("millstream.source.offset", "9000000000"),
            ("millstream.time", "2024-02-29T12:34:56.789Z"),
            ("millstream.attempt", "2"),
        ]);
        let cells = cells(&batch);
        assert_eq!(cells.len(), columns().len());
        assert_eq!(cells[0], Cell::Text(b"p/t/7/9000000000".into()));
        assert_eq!(cells[2], Cell::Null);
        assert_eq!(cells[6], Cell::Text(b"bad_email".into()));
        assert_eq!(
            cells[9..13],
            [Cell::Integer(7), Cell::Integer(9_000_000_000), Cell::Timestamp(1_709_210_096_789), Cell::Integer(2)]
        );
        assert_eq!(cells[14], Cell::Blob(b"\xff\x00"));
        let moment = Table::of_dead_letters("store".into()).moment(&batch, 0);
        assert_eq!(moment.timestamp_ms, 1_709_210_096_789);
    }

    #[test]
    fn without_headers_the_batch_says_where_it_came_from() {
        let batch = letter(&[]);
        assert_eq!(cells(&batch)[0], Cell::Text(b"store/users/3/42".into()));
        assert_eq!(cells(&batch)[11], Cell::Null);
    }
}
