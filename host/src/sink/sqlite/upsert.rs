//! Writing rows: one transaction for each call, an upsert for each row, and some expired rows deleted in passing.
//!
//! A row that its cells or a constraint of the table forbid fails for good, and the others go on. Anything else
//! (locked, full, broken) undoes the transaction and fails every row that was not refused for a retry.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{
    CachedStatement, Connection, ErrorCode, ToSql, TransactionBehavior,
    types::{ToSqlOutput, Value, ValueRef},
};

use super::schema::{EXPIRES_AT, WRITE_TIMESTAMP, quoted};
use crate::sink::{
    Failure, WriteBatch, retry_all,
    table::{Cell, Left, Stamps, Table, date_text, left, timestamp_text},
};

/// Most expired rows that one write deletes: more than a batch writes, so that deleting keeps up, and few enough for
/// the write not to be held up.
const EXPIRED_CHUNK: usize = 4_096;

/// The code of a failure that SQLite has no better word for.
pub const FAILED: &str = "failed";

/// What is written, and how.
pub struct Upsert {
    insert: String,
    delete_expired: String,
    key_columns: Vec<usize>,
    ttl_ms: Option<i64>,
    stamps: Stamps,
}

impl Upsert {
    /// For a table with these columns and bookkeeping columns.
    pub fn new(name: &str, table: &Table, ttl: Option<Duration>) -> Self {
        let columns = table.columns();
        let key_columns: Vec<usize> = (0..columns.len()).filter(|at| columns.get(*at).is_some_and(|c| c.key)).collect();
        let keys: Vec<String> = columns.iter().filter(|column| column.key).map(|column| quoted(&column.name)).collect();
        let keys = keys.join(", ");
        let name = quoted(name);
        Self {
            insert: insert_sql(&name, table, &keys),
            delete_expired: format!(
                "DELETE FROM {name} WHERE ({keys}) IN \
                 (SELECT {keys} FROM {name} WHERE {EXPIRES_AT} <= ?1 ORDER BY {EXPIRES_AT} LIMIT {EXPIRED_CHUNK})"
            ),
            key_columns,
            ttl_ms: ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)),
            stamps: Stamps::default(),
        }
    }

    /// Writes these rows, and reports those that are not durable.
    pub fn write(
        &mut self,
        connection: &mut Connection,
        table: &Table,
        batch: &WriteBatch,
        rows: &[u32],
    ) -> Vec<Failure> {
        let mut refused = Vec::new();
        let Err(error) = self.try_write(connection, table, batch, rows, &mut refused) else {
            return refused;
        };
        let refused: HashMap<u32, Failure> = refused.into_iter().map(|failure| (failure.row, failure)).collect();
        let failures = retry_all(rows, code_of(&error), &format!("the transaction failed: {error}"));
        failures.into_iter().map(|failure| refused.get(&failure.row).cloned().unwrap_or(failure)).collect()
    }

    fn try_write(
        &mut self,
        connection: &mut Connection,
        table: &Table,
        batch: &WriteBatch,
        rows: &[u32],
        refused: &mut Vec<Failure>,
    ) -> rusqlite::Result<()> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        // Immediate: a transaction that began with reading could find itself locked out in the middle.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(&self.insert)?;
            let mut cells = Vec::with_capacity(table.columns().len());
            for &row in rows {
                if let Err(failure) = table.cells(batch, row, &mut cells) {
                    refused.push(failure);
                    continue;
                }
                let stamp = self.stamps.stamp(&key_of(&cells, &self.key_columns), table.moment(batch, row));
                let life_ms = match self.ttl_ms.map(|ttl_ms| (ttl_ms, left(batch.written_ms(row), ttl_ms, now_ms))) {
                    None => None,
                    Some((ttl_ms, Left::All)) => Some(ttl_ms),
                    Some((_, Left::Part(rest_ms))) => Some(rest_ms),
                    // It has been written and has expired since, or would have.
                    Some((_, Left::Nothing)) => continue,
                };
                let expires_at = life_ms.map(|life_ms| now_ms.saturating_add(life_ms));
                match insert_row(&mut insert, &cells, expires_at, stamp) {
                    Ok(()) => {}
                    Err(error) if error.sqlite_error_code().is_some_and(is_the_rows_fault) => {
                        refused.push(Failure { row, retryable: false, code: "constraint", detail: error.to_string() });
                    }
                    Err(error) => return Err(error),
                }
            }
            transaction.prepare_cached(&self.delete_expired)?.execute([now_ms])?;
        }
        transaction.commit()
    }
}

fn insert_sql(name: &str, table: &Table, keys: &str) -> String {
    let columns: Vec<String> = table.columns().iter().map(|column| quoted(&column.name)).collect();
    let marks = vec!["?"; columns.len() + 2].join(", ");
    let others = table.columns().iter().filter(|column| !column.key).map(|column| quoted(&column.name));
    let updates: String = others.map(|column| format!("{column} = excluded.{column}, ")).collect();
    format!(
        "INSERT INTO {name} AS existing ({columns}, {EXPIRES_AT}, {WRITE_TIMESTAMP}) VALUES ({marks}) \
         ON CONFLICT ({keys}) DO UPDATE SET {updates}\
         {EXPIRES_AT} = CASE WHEN excluded.{WRITE_TIMESTAMP} = existing.{WRITE_TIMESTAMP} \
         THEN coalesce(min(existing.{EXPIRES_AT}, excluded.{EXPIRES_AT}), existing.{EXPIRES_AT}, excluded.{EXPIRES_AT}) \
         ELSE excluded.{EXPIRES_AT} END, {WRITE_TIMESTAMP} = excluded.{WRITE_TIMESTAMP} \
         WHERE excluded.{WRITE_TIMESTAMP} >= existing.{WRITE_TIMESTAMP}",
        columns = columns.join(", "),
    )
}

fn insert_row(
    insert: &mut CachedStatement<'_>,
    cells: &[Cell<'_>],
    expires_at: Option<i64>,
    stamp: i64,
) -> rusqlite::Result<()> {
    let mut at = 0;
    for cell in cells {
        at += 1;
        insert.raw_bind_parameter(at, cell)?;
    }
    insert.raw_bind_parameter(at + 1, expires_at)?;
    insert.raw_bind_parameter(at + 2, stamp)?;
    insert.raw_execute().map(drop)
}

/// The key's cells, told apart from each other by their length.
fn key_of(cells: &[Cell<'_>], key_columns: &[usize]) -> Vec<u8> {
    let mut key = Vec::with_capacity(48);
    for cell in key_columns.iter().filter_map(|at| cells.get(*at)) {
        match cell {
            Cell::Text(text) => {
                key.extend_from_slice(&text.len().to_le_bytes());
                key.extend_from_slice(text);
            }
            Cell::Uuid(uuid) => key.extend_from_slice(uuid.as_bytes()),
            Cell::Integer(value) => key.extend_from_slice(&value.to_le_bytes()),
            other => key.extend_from_slice(format!("{other:?}").as_bytes()),
        }
    }
    key
}

/// Integers as INTEGER, floats as REAL, booleans as 0 and 1, bytes as BLOB, everything else as TEXT.
impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = |text: String| ToSqlOutput::Owned(Value::Text(text));
        Ok(match self {
            Cell::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text)),
            Cell::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Cell::Boolean(value) => ToSqlOutput::Owned(Value::Integer(i64::from(*value))),
            Cell::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Cell::Float(value) => ToSqlOutput::Owned(Value::Real(f64::from(*value))),
            Cell::Double(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Cell::Varint(numeral) => text(numeral.to_whole_text().unwrap_or_default()),
            Cell::Decimal(_, written) => ToSqlOutput::Borrowed(ValueRef::Text(written.as_bytes())),
            Cell::Uuid(uuid) => text(uuid.hyphenated().to_string()),
            Cell::Timestamp(ms) => text(timestamp_text(*ms)),
            Cell::Date(days) => text(date_text(*days)),
            Cell::Inet(address) => text(address.to_string()),
        })
    }
}

fn is_the_rows_fault(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
}

fn code_of(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "locked",
        Some(ErrorCode::DiskFull) => "disk_full",
        _ => FAILED,
    }
}
