//! What is written into a table's columns: fields of records, or the parts of a dead letter.

use std::sync::Arc;

use super::{
    Cell, ColumnType, cell,
    dead_letter::{self, DeadLetter},
    stamp::Moment,
};
use crate::{
    record::{Field, Kind, Want},
    sink::{Failure, WriteBatch},
};

/// Most characters of a refused text that a failure's detail quotes.
const QUOTED_CHARS: usize = 80;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, and that of the field that goes into it.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether it is part of the primary key.
    pub key: bool,
}

/// A table's columns and what goes into them.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    /// The pipeline's name, where dead letters are written; otherwise the columns are fields of the records.
    dead_letters_of: Option<Arc<str>>,
}

impl Table {
    /// A table whose columns are fields of the records.
    pub fn of_fields(columns: Vec<Column>) -> Self {
        Self { columns, dead_letters_of: None }
    }

    /// A table of the dead letters of a pipeline, with the columns of [`dead_letter::columns`].
    pub fn of_dead_letters(pipeline: Arc<str>) -> Self {
        Self { columns: dead_letter::columns(), dead_letters_of: Some(pipeline) }
    }

    /// The columns, in the order of the cells.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The fields that are needed of each record: one for each column, named by it.
    pub fn fields(&self) -> Vec<Field> {
        if self.dead_letters_of.is_some() {
            return Vec::new();
        }
        let pointer = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        self.columns.iter().map(|column| Field { pointer: pointer(&column.name), want: Want::Raw }).collect()
    }

    /// Fills `cells` with one cell for each column, or says why the row can never be written.
    pub fn cells<'a>(&self, batch: &'a WriteBatch, row: u32, cells: &mut Vec<Cell<'a>>) -> Result<(), Failure> {
        cells.clear();
        match &self.dead_letters_of {
            Some(pipeline) => DeadLetter::read(batch, row, pipeline).append_to(cells),
            None => self.append_fields(batch, row, cells)?,
        }
        self.check_key(row, cells)
    }

    /// Where row `row` stands and when it was made. A dead letter is as old as its failure, so that of two reports
    /// on the same record the newer one stays, whole.
    pub fn moment(&self, batch: &WriteBatch, row: u32) -> Moment {
        let record = batch.record(row);
        let failed_at = self.dead_letters_of.as_ref().and_then(|_| dead_letter::failed_at_ms(record.headers));
        let timestamp_ms = failed_at.unwrap_or(record.timestamp_ms);
        Moment { partition: record.partition, offset: record.offset, timestamp_ms }
    }

    fn append_fields<'a>(&self, batch: &'a WriteBatch, row: u32, cells: &mut Vec<Cell<'a>>) -> Result<(), Failure> {
        for (column, field) in self.columns.iter().zip(&batch.columns.columns) {
            let kind = field.kinds.get(row as usize).copied().and_then(Kind::from_u8).unwrap_or(Kind::Absent);
            if matches!(kind, Kind::NotJson | Kind::NotObject) {
                return Err(not_an_object(row, kind));
            }
            let text = field.texts.get(row as usize);
            let Some(cell) = cell(kind, text, column.column_type) else {
                return Err(bad_value(row, column, text));
            };
            cells.push(cell);
        }
        // Short only where the batch lacks the fields that were asked for: then its key is missing too.
        cells.resize(self.columns.len(), Cell::Null);
        Ok(())
    }

    fn check_key(&self, row: u32, cells: &[Cell<'_>]) -> Result<(), Failure> {
        let parts = self.columns.iter().filter(|column| column.key).count();
        for (column, cell) in self.columns.iter().zip(cells).filter(|(column, _)| column.key) {
            let missing = match cell {
                Cell::Null => "null or absent",
                // Cassandra has no empty partition key; SQLite then takes none either.
                Cell::Text(text) if text.is_empty() && parts == 1 => "empty",
                _ => continue,
            };
            let detail = format!("primary key column `{}` is {missing}", column.name);
            return Err(Failure { row, retryable: false, code: "missing_key", detail });
        }
        Ok(())
    }
}

fn not_an_object(row: u32, kind: Kind) -> Failure {
    let what = if kind == Kind::NotJson { "is not JSON" } else { "is JSON, but not an object" };
    Failure {
        row,
        retryable: false,
        code: "not_json",
        detail: format!("the value {what}; a table row needs its fields"),
    }
}

fn bad_value(row: u32, column: &Column, text: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(text);
    let mut quoted: String = text.chars().take(QUOTED_CHARS).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    let detail = format!("column `{}` is {}; `{quoted}` does not fit", column.name, column.column_type);
    Failure { row, retryable: false, code: "bad_value", detail }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;
    use crate::record::{Batch, Columns, Headers, Record};

    fn table() -> Table {
        let column = |name: &str, column_type, key| Column { name: name.to_owned(), column_type, key };
        Table::of_fields(vec![column("id", ColumnType::Text, true), column("a/b~c", ColumnType::Int, false)])
    }

    /// One row with these kinds and texts.
    fn row(fields: [(Kind, &str); 2]) -> WriteBatch {
        let mut batch = Batch::new("topic".into());
        batch.push(Record {
            key: None,
            value: None,
            headers: Headers::default(),
            timestamp_ms: 5,
            partition: 1,
            offset: 2,
        });
        let mut columns = Columns::new(2);
        for (column, (kind, text)) in columns.columns.iter_mut().zip(fields) {
            column.kinds.push(kind as u8);
            column.texts.push(text.as_bytes());
        }
        WriteBatch { columns, ..WriteBatch::whole(batch) }
    }

    fn failure(fields: [(Kind, &str); 2]) -> (&'static str, String) {
        let failure = table().cells(&row(fields), 0, &mut Vec::new()).expect_err("must be refused");
        assert!(!failure.retryable);
        (failure.code, failure.detail)
    }

    #[test]
    fn asks_for_its_columns_by_escaped_pointers() {
        let pointers: Vec<_> = table().fields().into_iter().map(|field| field.pointer).collect();
        assert_eq!(pointers, ["/id", "/a~1b~0c"]);
    }

    #[test]
    fn every_column_has_a_cell() {
        let batch = row([(Kind::String, "x"), (Kind::Absent, "")]);
        let mut cells = Vec::new();
        table().cells(&batch, 0, &mut cells).unwrap();
        assert_eq!(cells, [Cell::Text(b"x".into()), Cell::Null]);
    }

    #[test]
    fn refusals_name_column_type_and_text() {
        let (code, detail) = failure([(Kind::String, "x"), (Kind::String, &"y".repeat(200))]);
        assert_eq!(code, "bad_value");
        assert_eq!(detail, format!("column `a/b~c` is int; `{}…` does not fit", "y".repeat(80)));
        assert_eq!(failure([(Kind::Null, ""), (Kind::Absent, "")]).0, "missing_key");
        assert_eq!(failure([(Kind::String, ""), (Kind::Absent, "")]).0, "missing_key");
        assert_eq!(failure([(Kind::NotJson, ""), (Kind::NotJson, "")]).0, "not_json");
        assert_eq!(failure([(Kind::NotObject, ""), (Kind::NotObject, "")]).0, "not_json");
    }

    #[test]
    fn a_batch_without_the_fields_is_refused_not_written_as_nulls() {
        let batch = WriteBatch { columns: Columns::default(), ..row([(Kind::String, "x"), (Kind::Null, "")]) };
        assert_eq!(table().cells(&batch, 0, &mut Vec::new()).unwrap_err().code, "missing_key");
    }
}
