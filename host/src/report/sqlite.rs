//! The rows of a table in an SQLite file that are alive, one by one, the latest first, into a tally. Reads only: the file is
//! never made, and of texts that no count needs nothing but whether they are there.

use rusqlite::{Connection, ErrorCode, OpenFlags, types::ValueRef};

use super::{Column, Contents, Failed, Limit, Progress, Tally, Value, is_looked_into};
use crate::config::SqliteSink;

/// A writer holds the file for the length of a batch.
const BUSY: std::time::Duration = std::time::Duration::from_secs(10);
/// What a sink keeps beside the record's columns.
const EXPIRES_AT: &str = "expires_at";
const WRITE_TIMESTAMP: &str = "write_timestamp";

/// Reads the table.
pub fn read(config: &SqliteSink, limit: Limit, now_ms: i64, progress: Progress<'_>) -> Result<Contents, Failed> {
    if !config.path.exists() {
        let hint = "run the pipeline that makes it first, or name another file";
        return Err(Failed::new(format!("there is no file `{}`", config.path.display()), hint));
    }
    let failed = |error: rusqlite::Error| {
        let hint = match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => "name another file; this one is not an SQLite database",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds it; try again later",
            _ => "check the file",
        };
        Failed::new(format!("cannot read `{}`: {error}", config.path.display()), hint)
    };
    let connection = Connection::open_with_flags(&config.path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let columns = columns(&connection, &config.table).map_err(failed)?;
    if columns.is_empty() {
        let message = format!("there is no table `{}` in `{}`", config.table, config.path.display());
        return Err(Failed::new(message, "run the pipeline that makes it first, or name another table"));
    }
    rows(&connection, &config.table, &columns, limit, now_ms, progress).map_err(failed)
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let mut columns = connection.prepare("SELECT name, type FROM pragma_table_info(?1)")?;
    let rows = columns.query_map([table], |row| Ok(Column { name: row.get(0)?, type_name: row.get(1)? }))?;
    rows.collect()
}

fn rows(
    connection: &Connection,
    table: &str,
    columns: &[Column],
    limit: Limit,
    now_ms: i64,
    progress: Progress<'_>,
) -> rusqlite::Result<Contents> {
    let has = |name: &str| columns.iter().any(|column| column.name == name);
    let own = |name: &'static str| if has(name) { name } else { "NULL" };
    let records: Vec<Column> = columns
        .iter()
        .filter(|column| column.name != EXPIRES_AT && column.name != WRITE_TIMESTAMP)
        .map(|column| Column {
            type_name: column.type_name.trim_end_matches(" text").replace("whole number", "varint").to_lowercase(),
            ..column.clone()
        })
        .collect();
    let cells = records.iter().map(|column| {
        let name = quoted(&column.name);
        if is_looked_into(&column.name) { name } else { format!("CASE WHEN {name} IS NOT NULL THEN 1 END") }
    });
    let cells: Vec<String> = cells.collect();
    let (arrived, expires) = (own(WRITE_TIMESTAMP), own(EXPIRES_AT));
    let sql = format!(
        "SELECT {arrived}, {expires}, {} FROM {} WHERE {expires} IS NULL OR {expires} > ?1 {} LIMIT ?2",
        cells.join(", "),
        quoted(table),
        if has_rowids(connection, table)? { "ORDER BY rowid DESC" } else { "" },
    );
    let mut statement = connection.prepare(&sql)?;
    // One more than is counted tells whether there are more. A negative limit is none.
    let most = limit.rows().map_or(-1, |rows| i64::try_from(rows.saturating_add(1)).unwrap_or(-1));
    let mut found = statement.query([now_ms, most])?;
    let mut tally = Tally::new(&records);
    while let Some(row) = found.next()? {
        if limit.is_reached(tally.rows()) {
            return Ok(tally.contents(true));
        }
        for at in 0..records.len() {
            tally.cell(at, value(row.get_ref(at + 2)?));
        }
        let (arrived_us, expires_ms): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        tally.row(arrived_us.map(|us| us.div_euclid(1_000)), expires_ms);
        progress(tally.rows());
    }
    Ok(tally.contents(false))
}

/// Whether its rows are numbered in the order in which they came. Then reading backwards costs no sorting.
fn has_rowids(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM pragma_table_list(?1) WHERE type = 'table' AND NOT wr";
    connection.query_row(sql, [table], |row| Ok(row.get::<_, i64>(0)? > 0))
}

fn value(cell: ValueRef<'_>) -> Value<'_> {
    match cell {
        ValueRef::Null => Value::Missing,
        ValueRef::Text(text) => Value::Text(text),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Other,
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
