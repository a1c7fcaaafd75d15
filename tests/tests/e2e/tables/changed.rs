//! A table that others drop or alter under a running sink: no record is refused for it, what has changed is said, and
//! writing goes on by itself once the table can take the rows.

use std::time::{Duration, Instant};

use millstream::sink::{Failure, Sink};

use super::engine::{COLUMNS, Engine, batch, create, create_with, with_both};

const USER: &str = r#"{"id":"0000000a-0000-4000-8000-000000000000","first_name":"Ann","age":7}"#;

/// Writes one row once.
async fn write(sink: &mut dyn Sink, user: &str) -> Vec<Failure> {
    let batch = batch(&sink.fields(), &[(user, 1_000, 0)]);
    sink.write(&batch, &[0]).await
}

/// The one failure of a row that must wait.
async fn held_up(sink: &mut dyn Sink) -> String {
    let failures = write(sink, USER).await;
    let [failure] = failures.as_slice() else { panic!("must not be written: {failures:?}") };
    assert_eq!((failure.code, failure.retryable), ("schema_changed", true), "{}", failure.detail);
    failure.detail.clone()
}

/// Statements that take a column away; SQLite's view of live rows goes with it.
fn drop_column(engine: &Engine, column: &str) -> String {
    match engine {
        Engine::Sqlite(_) => format!("DROP VIEW {{table}}_live; ALTER TABLE {{table}} DROP COLUMN {column}"),
        Engine::Cassandra { .. } => format!("ALTER TABLE {{table}} DROP {column}"),
    }
}

async fn column(engine: &Engine, name: &str) -> Option<String> {
    match engine {
        Engine::Sqlite(folder) => {
            let connection = rusqlite::Connection::open(folder.path().join("new/tables.db")).unwrap();
            connection.query_row(&format!("SELECT CAST({name} AS TEXT) FROM users"), [], |row| row.get(0)).unwrap()
        }
        Engine::Cassandra { .. } => engine.rows("users", &[name]).await.remove(0).remove(0),
    }
}

#[tokio::test]
async fn a_dropped_table_holds_rows_up_until_it_is_there_again() {
    with_both(async |engine| {
        let mut sink = engine.open("users", create(None), false).await.unwrap();
        assert_eq!(write(&mut *sink, USER).await, []);
        engine.run("users", "DROP TABLE {table}").await;
        for _ in 0..2 {
            let detail = held_up(&mut *sink).await;
            assert!(detail.contains("is gone") && detail.contains("create it again"), "{detail}");
        }
        if let Engine::Sqlite(_) = engine {
            engine.run("users", "DROP VIEW users_live").await;
        }
        engine.open("users", create(Some(Duration::from_secs(1_000))), false).await.unwrap();
        assert_eq!(write(&mut *sink, USER).await, []);
        assert_eq!(engine.rows("users", &["age"]).await, [[Some("7".to_owned())]]);
        if let Engine::Cassandra { .. } = engine {
            assert_eq!(sink.lifetime(), Some(Duration::from_secs(1_000)), "that of the new table");
        }
    })
    .await;
}

#[tokio::test]
async fn a_dropped_column_holds_rows_up_until_it_is_there_again() {
    with_both(async |engine| {
        let mut sink = engine.open("users", create(None), false).await.unwrap();
        assert_eq!(write(&mut *sink, USER).await, []);
        engine.run("users", &drop_column(engine, "age")).await;
        let detail = held_up(&mut *sink).await;
        assert!(detail.contains("column `age` (int) is missing") && detail.contains("ALTER TABLE"), "{detail}");
        engine.run("users", "ALTER TABLE {table} ADD age int").await;
        assert_eq!(write(&mut *sink, USER).await, []);
        assert_eq!(column(engine, "first_name").await.as_deref(), Some("Ann"));
        // Of records that are older than the removal Cassandra shows nothing in such a column.
        let newer = batch(&sink.fields(), &[(USER, 32_503_680_000_000, 1)]);
        assert_eq!(sink.write(&newer, &[0]).await, []);
        assert_eq!(column(engine, "age").await.as_deref(), Some("7"));
    })
    .await;
}

#[tokio::test]
async fn an_added_column_and_one_that_is_not_written_do_not_matter() {
    with_both(async |engine| {
        let mut sink = engine.open("users", create(None), false).await.unwrap();
        engine.run("users", "ALTER TABLE {table} ADD nick text").await;
        assert_eq!(write(&mut *sink, USER).await, []);
        assert_eq!(column(engine, "nick").await, None);
        engine.run("users", "ALTER TABLE {table} DROP nick").await;
        assert_eq!(write(&mut *sink, USER).await, []);
        assert_eq!(column(engine, "age").await.as_deref(), Some("7"));
    })
    .await;
}

#[tokio::test]
async fn a_type_that_would_take_the_bytes_for_something_else_is_noticed() {
    let Some(engine) = Engine::cassandra().await else { return };
    let mut sink = engine.open("users", create(None), false).await.unwrap();
    engine.run("users", "DROP TABLE {table}").await;
    let other = COLUMNS.map(|(name, column_type)| (name, if name == "age" { "text" } else { column_type }));
    engine.open("users", create_with(&other, None), false).await.unwrap();
    // The four bytes of an integer are a text as well: only the driver can tell, which looks every few seconds.
    let deadline = Instant::now() + Duration::from_secs(60);
    while write(&mut *sink, USER).await.is_empty() {
        assert!(Instant::now() < deadline, "still written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let detail = held_up(&mut *sink).await;
    assert!(detail.contains("column `age` is text, not int"), "{detail}");
    engine.end().await;
}

#[tokio::test]
async fn a_row_that_the_database_itself_refuses_is_refused_alone_and_for_good() {
    let Some(engine) = Engine::cassandra().await else { return };
    engine.open("users", create(None), false).await.unwrap();
    engine.run("users", "CREATE INDEX ON {table} (first_name)").await;
    let mut sink = engine.open("users", create(None), false).await.unwrap();
    let long = USER.replace("Ann", &"n".repeat(70_000)).replace("000a", "000b");
    let batch = batch(&sink.fields(), &[(USER, 1_000, 0), (&long, 1_000, 1)]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut rows = vec![0, 1];
    // Other tests change the schema meanwhile; whenever they do, the table is looked at once more.
    let refused = loop {
        let failures = sink.write(&batch, &rows).await;
        rows = failures.iter().map(|failure| failure.row).collect();
        assert_eq!(rows, [1], "{failures:?}");
        if !failures[0].retryable {
            break failures[0].clone();
        }
        assert!(Instant::now() < deadline, "still {failures:?}");
    };
    assert_eq!(refused.code, "refused");
    assert!(refused.detail.to_lowercase().contains("index"), "in the database's own words: {}", refused.detail);
    assert_eq!(engine.rows("users", &["age"]).await, [[Some("7".to_owned())]]);
    engine.end().await;
}

#[tokio::test]
async fn no_row_is_refused_while_a_table_comes_and_goes() {
    let Some(engine) = Engine::cassandra().await else { return };
    let mut sink = engine.open("users", create(None), false).await.unwrap();
    let users: Vec<String> = (0..40).map(|n| USER.replace("000a", &format!("{n:04x}"))).collect();
    let records: Vec<_> = (0..).zip(&users).map(|(offset, user)| (user.as_str(), 1_000, offset)).collect();
    let batch = batch(&sink.fields(), &records);
    let all: Vec<u32> = (0..40).collect();
    let changes = async {
        for _ in 0..2 {
            engine.run("users", "ALTER TABLE {table} DROP age").await;
            engine.run("users", "ALTER TABLE {table} ADD age int").await;
            engine.run("users", "DROP TABLE {table}").await;
            engine.open("users", create(None), false).await.unwrap();
        }
    };
    let mut held_up = 0;
    let mut changes = Box::pin(changes);
    loop {
        let write = async {
            let failures = sink.write(&batch, &all).await;
            let refused: Vec<_> = failures.iter().filter(|failure| !failure.retryable).collect();
            assert!(refused.is_empty(), "{refused:?}");
            failures.len()
        };
        tokio::select! {
            failed = write => held_up += failed,
            () = &mut changes => break,
        }
    }
    drop(changes);
    assert!(held_up > 0, "the changes must have been felt");
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut rows = all;
    while !rows.is_empty() {
        assert!(Instant::now() < deadline, "still not written: {rows:?}");
        rows = sink.write(&batch, &rows).await.into_iter().map(|failure| failure.row).collect();
    }
    assert_eq!(engine.rows("users", &["id"]).await.len(), 40);
    engine.end().await;
}
