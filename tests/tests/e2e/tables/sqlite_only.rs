//! What only SQLite's tables have: files that others lock, constraints, and a lifetime that is kept by the host.

use std::{sync::Arc, time::Duration};

use millstream::{
    config::SqliteSink,
    sink::{OpenContext, Sink, SqliteTable},
};
use rusqlite::Connection;

use super::engine::{batch, context, create};

const USER: &str = r#"{"id":"0000000a-0000-4000-8000-000000000000","age":1}"#;

struct Place {
    folder: tempfile::TempDir,
    config: SqliteSink,
}

impl Place {
    fn new(ttl: Option<Duration>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tables.db");
        let config = SqliteSink { path, table: "users".to_owned(), create: create(ttl) };
        Self { folder, config }
    }

    async fn open(&self) -> SqliteTable {
        let context = OpenContext { timeout: Duration::from_millis(20), ..context(false) };
        SqliteTable::open(&self.config, &context).await.unwrap()
    }

    fn connection(&self) -> Connection {
        Connection::open(self.folder.path().join("tables.db")).unwrap()
    }

    fn one(&self, sql: &str) -> Option<i64> {
        self.connection().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

#[tokio::test]
async fn a_locked_file_fails_every_good_row_for_a_retry() {
    let place = Place::new(None);
    let mut sink = place.open().await;
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let batch = batch(&sink.fields(), &[(USER, 1, 0), (USER, 1, 1)]);
    let failures = sink.write(&batch, &[0, 1]).await;
    let seen: Vec<_> = failures.iter().map(|failure| (failure.row, failure.code, failure.retryable)).collect();
    assert_eq!(seen, [(0, "locked", true), (1, "locked", true)]);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(sink.write(&batch, &[0, 1]).await, []);
}

#[tokio::test]
async fn a_constraint_refuses_its_row_alone() {
    let place = Place::new(None);
    place.connection().execute_batch(
        "CREATE TABLE users (id uuid PRIMARY KEY, age int CHECK (age < 100), expires_at INTEGER, write_timestamp INTEGER)",
    ).unwrap();
    let mut sink =
        SqliteTable::open(&SqliteSink { create: None, ..place.config.clone() }, &context(false)).await.unwrap();
    let old = r#"{"id":"0000000b-0000-4000-8000-000000000000","age":100}"#;
    let batch = batch(&sink.fields(), &[(old, 1, 0), (USER, 1, 1)]);
    let failures = sink.write(&batch, &[0, 1]).await;
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].row, failures[0].code, failures[0].retryable), (0, "constraint", false));
    assert_eq!(place.one("SELECT age FROM users"), Some(1));
}

#[tokio::test]
async fn a_replay_does_not_prolong_a_life_and_a_newer_record_does() {
    let place = Place::new(Some(Duration::from_secs(1_000)));
    let mut sink = place.open().await;
    let fields = sink.fields();
    let write = batch(&fields, &[(USER, 1, 0)]);
    assert_eq!(sink.write(&write, &[0]).await, []);
    let expires = "SELECT expires_at FROM users";
    // As if the row had been written earlier.
    place.connection().execute("UPDATE users SET expires_at = expires_at - 500000", []).unwrap();
    let first = place.one(expires);
    assert_eq!(sink.write(&write, &[0]).await, []);
    assert_eq!(place.one(expires), first);
    assert_eq!(sink.write(&batch(&fields, &[(USER, 2, 1)]), &[0]).await, []);
    assert!(place.one(expires) > first);
}

#[tokio::test]
async fn expired_rows_are_deleted_by_later_writes() {
    let place = Place::new(Some(Duration::from_secs(1_000)));
    let mut sink = place.open().await;
    let fields = sink.fields();
    assert_eq!(sink.write(&batch(&fields, &[(USER, 1, 0)]), &[0]).await, []);
    place.connection().execute("UPDATE users SET expires_at = 1", []).unwrap();
    assert_eq!(place.one("SELECT count(*) FROM users_live"), Some(0));
    assert_eq!(place.one("SELECT count(*) FROM users"), Some(1));
    let other: Arc<_> = batch(&fields, &[(&USER.replace("000a", "000c"), 1, 1)]);
    assert_eq!(sink.write(&other, &[0]).await, []);
    assert_eq!(place.one("SELECT count(*) FROM users"), Some(1));
}
