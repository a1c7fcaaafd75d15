//! What a table sink says when it cannot be opened: plainly, with what would mend it, and whether waiting helps.

use std::time::Duration;

use millstream::sink::{CassandraTable, OpenError};

use super::engine::{Engine, cassandra_sink, context, create, create_with, with_both};

/// The error of a sink that must not open.
async fn refusal(engine: &Engine, columns: Option<&[(&str, &str)]>) -> OpenError {
    let create = columns.and_then(|columns| create_with(columns, None));
    match engine.open("users", create, false).await {
        Ok(_) => panic!("must not open"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_missing_table_is_not_created_unasked() {
    with_both(async |engine| {
        let error = refusal(engine, None).await;
        assert!(!error.retryable && error.to_string().contains("there is no"), "{error}");
        assert!(error.hint.unwrap().contains("`create`"));
    })
    .await;
}

#[tokio::test]
async fn a_column_that_differs_is_named_with_the_statement_that_mends_it() {
    with_both(async |engine| {
        engine.open("users", create(None), false).await.unwrap();
        let error = refusal(engine, Some(&[("id", "uuid"), ("nick", "text"), ("age", "text")])).await;
        assert!(!error.retryable);
        assert!(error.message.contains("column `nick` (text) is missing"), "{error}");
        assert!(error.message.contains("column `age` is int, not text"), "{error}");
        let hint = error.hint.unwrap();
        assert!(hint.contains("ALTER TABLE") && hint.contains("\"nick\" text"), "{hint}");
        let error = refusal(engine, Some(&[("first_name", "text"), ("id", "uuid"), ("age", "list<int>")])).await;
        assert!(error.message.ends_with("cannot be written to: `age` (list<int>)"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_existing_table_is_used_with_the_columns_it_has() {
    with_both(async |engine| {
        engine.open("users", create(None), false).await.unwrap();
        let sink = engine.open("users", None, false).await.unwrap();
        let mut pointers: Vec<_> = sink.fields().into_iter().map(|field| field.pointer).collect();
        pointers.sort();
        assert_eq!(pointers, ["/active", "/age", "/big", "/first_name", "/id", "/score", "/seen"]);
    })
    .await;
}

#[tokio::test]
async fn a_table_with_columns_of_other_types_is_refused_by_name() {
    let Some(engine) = Engine::cassandra().await else { return };
    engine.open("other", create(None), false).await.unwrap();
    engine.run("users", "CREATE TABLE {table} (id uuid PRIMARY KEY, tags list<text>, raw blob)").await;
    let error = refusal(&engine, None).await;
    assert!(!error.retryable);
    assert!(error.message.contains("`raw` (blob), `tags` (a collection)"), "{error}");
    engine.end().await;
}

#[tokio::test]
async fn a_node_that_is_down_is_a_matter_of_waiting() {
    // A port that was free a moment ago: nobody answers there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let node = format!("127.0.0.1:{port}");
    let config = cassandra_sink(&node, "ks", "users", create(Some(Duration::from_secs(1))));
    let Err(error) = CassandraTable::open(&config, &context(false)).await else { panic!("must not open") };
    assert!(error.retryable && error.message.contains(&node), "{error}");
}

#[tokio::test]
async fn a_datacenter_that_does_not_exist_is_named_with_those_that_do() {
    let Some(engine) = Engine::cassandra().await else { return };
    let Engine::Cassandra { node, keyspace, .. } = &engine else { panic!("is Cassandra") };
    let mut config = cassandra_sink(node, keyspace, "users", create(None));
    config.local_dc = Some("nowhere".to_owned());
    let Err(error) = CassandraTable::open(&config, &context(false)).await else { panic!("must not open") };
    assert!(!error.retryable && error.message.contains("no datacenter `nowhere`"), "{error}");
    engine.end().await;
}
