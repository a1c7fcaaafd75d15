//! Opening the database file: its settings, and its tables where they are missing.
//!
//! Any number of processes may do this at the same time. Nothing is read or written here beyond the schema.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior};

use super::LogError;

/// Format of the file, kept in SQLite's `user_version`.
const FORMAT: i64 = 1;

/// How long a connection waits for another process's lock. A transaction takes milliseconds; whoever holds a lock for
/// longer is stuck, and its user should hear of it.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Records are kept in the key's order, so that reading a partition is one walk over neighbouring pages, and each
/// partition is appended to at its end. `next_offset` is kept apart from the records: offsets are never given twice,
/// whatever happens to old records.
const TABLES: &str = "
CREATE TABLE topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE partitions (
    topic_id INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (topic_id, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE records (
    topic_id INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB,
    PRIMARY KEY (topic_id, partition, offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE committed (
    consumer_group TEXT NOT NULL,
    topic_id INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic_id, partition)
) STRICT, WITHOUT ROWID;
";

/// Opens a connection to the file, creating the file where it is missing.
pub(super) fn connect(file: &Path) -> Result<Connection, LogError> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match try_connect(file) {
            // two processes that create the file at the same time: SQLite does not wait when the journal mode changes
            Err(error) if error.is_retryable() && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

/// Opens a further connection to a file that `connect` has prepared.
pub(super) fn reconnect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    settle(&connection)?;
    Ok(connection)
}

fn try_connect(file: &Path) -> Result<Connection, LogError> {
    let failed = |source| LogError::Sqlite { action: "open a connection".to_owned(), file: file.to_owned(), source };
    let mut connection = Connection::open(file).map_err(failed)?;
    let found = prepare(&mut connection).map_err(failed)?;
    if found > FORMAT {
        return Err(LogError::Format { file: file.to_owned(), found, known: FORMAT });
    }
    Ok(connection)
}

/// Settles the connection and creates the tables; returns the file's format.
fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    settle(connection)?;
    // A record of a few hundred bytes to 2 KB fits into a page without an overflow chain. Only a new file obeys.
    connection.pragma_update(None, "page_size", 8192)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let message =
            format!("its file system does not offer SQLite's write-ahead log (the journal mode stays `{mode}`)");
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some(message),
        ));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // 32 MiB: checkpoints come seldom enough to write each page once for many batches
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;

    let format = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if format(connection)? > 0 {
        return format(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // another process may have been quicker
    if format(&transaction)? == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    transaction.commit()?;
    format(connection)
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "cache_size", -16_384)
}
