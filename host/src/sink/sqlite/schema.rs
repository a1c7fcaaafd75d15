//! The file and the table: opening, creating where the configuration says so, and checking that it can take the rows.
//!
//! Columns are declared by their CQL type. SQLite would read some of those names as "a number, if it looks like one"
//! and change the text; such columns are declared with `text` behind the name. An existing table is never altered:
//! what differs is named, with the statement that would mend it.

use rusqlite::{Connection, ErrorCode};

use crate::{
    config::SqliteSink,
    sink::{
        OpenContext, OpenError,
        table::{Column, ColumnType, Table, unsupported_columns, wanted_columns},
    },
};

/// Column with the Unix milliseconds from which a row is expired; null for never.
pub const EXPIRES_AT: &str = "expires_at";
/// Column with the microseconds by which the newer of two rows stays.
pub const WRITE_TIMESTAMP: &str = "write_timestamp";
/// Unix milliseconds in terms of functions that every SQLite of the last twenty years has: other programs read the
/// view.
const NOW_MS: &str = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

/// Opens the file and sets what durability needs.
pub fn connect(config: &SqliteSink, context: &OpenContext) -> Result<Connection, OpenError> {
    if let Some(folder) = config.path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| OpenError {
            url: context.display.clone(),
            message: format!("cannot create the folder `{}`: {error}", folder.display()),
            hint: None,
            retryable: error.kind() == std::io::ErrorKind::StorageFull,
        })?;
    }
    let connect = || {
        let connection = Connection::open(&config.path)?;
        connection.busy_timeout(context.timeout)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        Ok(connection)
    };
    connect().map_err(|error| failed(&format!("opening `{}`", config.path.display()), &error, context))
}

/// Finds the table or creates it, and says which columns are written.
pub fn prepare_table(connection: &Connection, config: &SqliteSink, context: &OpenContext) -> Result<Table, OpenError> {
    let wanted = wanted_columns(config.create.as_ref(), context)?;
    let find = || existing_columns(connection, &config.table);
    let failing = |error| failed(&format!("reading the columns of `{}`", config.table), &error, context);
    let mut existing = find().map_err(failing)?;
    if existing.is_empty() {
        let Some(wanted) = &wanted else {
            return Err(OpenError {
                url: context.display.clone(),
                message: format!("there is no table `{}` in `{}`", config.table, config.path.display()),
                hint: Some("add `create` with `columns` to the sink, or create the table".to_owned()),
                retryable: false,
            });
        };
        let creating = connection.execute_batch(&table_sql(&config.table, wanted));
        creating.map_err(|error| failed(&format!("creating table `{}`", config.table), &error, context))?;
        existing = find().map_err(failing)?;
    }
    check(&existing, wanted.as_deref().unwrap_or_default(), config, context)?;
    if context.dead_letters {
        return Ok(Table::of_dead_letters(context.pipeline.clone()));
    }
    Ok(Table::of_fields(columns_of(&existing, context)?))
}

/// What has become of the table since it was prepared for, and what to do; `None` where it can take the rows.
pub fn change(
    connection: &Connection,
    columns: &[Column],
    config: &SqliteSink,
    context: &OpenContext,
) -> Option<String> {
    let existing = existing_columns(connection, &config.table).ok()?;
    if existing.is_empty() {
        let (table, file) = (&config.table, config.path.display());
        let again = "create it again (a start with `create` does), and writing goes on by itself";
        return Some(format!("table `{table}` in `{file}` is gone; {again}"));
    }
    let OpenError { message, hint, .. } = check(&existing, columns, config, context).err()?;
    Some(format!("{message}; {}", hint.unwrap_or_default()))
}

/// A name in double quotes, whatever is in it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

struct Existing {
    name: String,
    declared: String,
    key: bool,
}

impl Existing {
    fn column_type(&self) -> Option<ColumnType> {
        let declared = self.declared.to_lowercase();
        Some(match declared.as_str() {
            "ascii text" => ColumnType::Ascii,
            "decimal text" => ColumnType::Decimal,
            "whole number text" => ColumnType::Varint,
            // The types of a table that was made for SQLite itself.
            "integer" => ColumnType::BigInt,
            "real" => ColumnType::Double,
            other => return ColumnType::from_name(other),
        })
    }
}

/// The declared type of a column. SQLite derives from it what it does to values: `varint`, because it contains "int",
/// would become a 64-bit integer or a float, and `ascii` and `decimal` would turn the text `12.50` into 12.5.
fn declared(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Ascii => "ascii text",
        ColumnType::Decimal => "decimal text",
        ColumnType::Varint => "whole number text",
        other => other.name(),
    }
}

fn existing_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Existing>> {
    let mut columns = connection.prepare("SELECT name, type, pk > 0 FROM pragma_table_info(?1)")?;
    let rows = columns
        .query_map([table], |row| Ok(Existing { name: row.get(0)?, declared: row.get(1)?, key: row.get(2)? }))?;
    rows.collect()
}

fn table_sql(table: &str, columns: &[Column]) -> String {
    let definition = |column: &Column| format!("{} {} NOT NULL", quoted(&column.name), declared(column.column_type));
    let mut parts: Vec<String> = columns.iter().map(definition).collect();
    for (part, column) in parts.iter_mut().zip(columns).filter(|(_, column)| !column.key) {
        *part = format!("{} {}", quoted(&column.name), declared(column.column_type));
    }
    parts.push(format!("{EXPIRES_AT} INTEGER"));
    parts.push(format!("{WRITE_TIMESTAMP} INTEGER NOT NULL"));
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let keys: Vec<String> = columns.iter().filter(|column| column.key).map(|column| quoted(&column.name)).collect();
    parts.push(format!("PRIMARY KEY ({})", keys.join(", ")));
    format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS {name} ({parts});
         CREATE INDEX IF NOT EXISTS {index} ON {name} ({EXPIRES_AT}) WHERE {EXPIRES_AT} IS NOT NULL;
         CREATE VIEW IF NOT EXISTS {view} AS
             SELECT {names} FROM {name} WHERE {EXPIRES_AT} IS NULL OR {EXPIRES_AT} > {NOW_MS};
         COMMIT;",
        name = quoted(table),
        parts = parts.join(", "),
        index = quoted(&format!("{table}_{EXPIRES_AT}")),
        view = quoted(&format!("{table}_live")),
        names = names.join(", "),
    )
}

fn check(
    existing: &[Existing],
    wanted: &[Column],
    config: &SqliteSink,
    context: &OpenContext,
) -> Result<(), OpenError> {
    let mut differences = Vec::new();
    let mut mending = Vec::new();
    let add = |name: &str, declared: &str| {
        format!("ALTER TABLE {} ADD COLUMN {} {declared}", quoted(&config.table), quoted(name))
    };
    for Column { name, column_type, .. } in wanted {
        match existing.iter().find(|column| column.name == *name) {
            None => {
                differences.push(format!("column `{name}` ({column_type}) is missing"));
                mending.push(add(name, declared(*column_type)));
            }
            Some(found) if found.column_type() != Some(*column_type) => {
                let declared_as = found.column_type().map_or_else(|| found.declared.clone(), |known| known.to_string());
                differences.push(format!("column `{name}` is {declared_as}, not {column_type}"));
                let drop = format!("ALTER TABLE {} DROP COLUMN {}", quoted(&config.table), quoted(name));
                mending.push(format!("{drop}; {} (its data is lost)", add(name, declared(*column_type))));
            }
            Some(_) => {}
        }
    }
    for (name, definition) in [(EXPIRES_AT, "INTEGER"), (WRITE_TIMESTAMP, "INTEGER NOT NULL DEFAULT 0")] {
        if !existing.iter().any(|column| column.name == name) {
            differences.push(format!("column `{name}` is missing"));
            mending.push(add(name, definition));
        }
    }
    let keys = |names: Vec<&str>| format!("({})", names.join(", "));
    let found = keys(existing.iter().filter(|column| column.key).map(|column| column.name.as_str()).collect());
    let asked = keys(wanted.iter().filter(|column| column.key).map(|column| column.name.as_str()).collect());
    if found == "()" || (!wanted.is_empty() && found != asked) {
        differences.push(format!("its primary key is {found}, not {asked}"));
        mending.push("name another table: a primary key cannot be changed".to_owned());
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(OpenError {
        url: context.display.clone(),
        message: format!("table `{}` cannot take the rows: {}", config.table, differences.join(", ")),
        hint: Some(format!("to mend it: {}", mending.join("; "))),
        retryable: false,
    })
}

/// All columns of the table but the bookkeeping ones.
fn columns_of(existing: &[Existing], context: &OpenContext) -> Result<Vec<Column>, OpenError> {
    let mut columns = Vec::new();
    let mut unsupported = Vec::new();
    for column in existing.iter().filter(|column| column.name != EXPIRES_AT && column.name != WRITE_TIMESTAMP) {
        match column.column_type().filter(|found| *found != ColumnType::Blob) {
            Some(column_type) => columns.push(Column { name: column.name.clone(), column_type, key: column.key }),
            None => unsupported.push(format!("`{}` ({})", column.name, column.declared)),
        }
    }
    if unsupported.is_empty() { Ok(columns) } else { Err(unsupported_columns(&unsupported, context)) }
}

fn failed(attempt: &str, error: &rusqlite::Error, context: &OpenContext) -> OpenError {
    let code = error.sqlite_error_code();
    let (hint, retryable) = match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Some("another program is writing to it and has not ended its transaction"), true)
        }
        Some(ErrorCode::DiskFull) => (Some("free some space"), true),
        Some(ErrorCode::NotADatabase) => (Some("name another file; this one is not an SQLite database"), false),
        _ => (None, false),
    };
    let message = format!("{attempt}: {error}");
    OpenError { url: context.display.clone(), message, hint: hint.map(str::to_owned), retryable }
}
