//! The two engines behind one face: a table to open a sink on, and its rows read back as text.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use millstream::{
    config::{CassandraSink, CreateTable, SqliteSink},
    record::{Batch, Columns, Field, HeaderWriter, Headers, Kind, Record, Slices},
    sink::{CassandraTable, OpenContext, OpenError, Sink, SqliteTable, WriteBatch},
};
use scylla::client::{session::Session, session_builder::SessionBuilder};
use serde_json::value::RawValue;

/// The columns of the contract's table.
pub const COLUMNS: [(&str, &str); 7] = [
    ("id", "uuid"),
    ("first_name", "text"),
    ("age", "int"),
    ("score", "double"),
    ("active", "boolean"),
    ("seen", "timestamp"),
    ("big", "varint"),
];

/// A row as text, column by column.
pub type TextRow = Vec<Option<String>>;

/// An engine with a place of its own, which goes away with it.
pub enum Engine {
    Sqlite(tempfile::TempDir),
    Cassandra { node: String, keyspace: String, session: Box<Session> },
}

impl Engine {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// `None` where there is no Cassandra to test against.
    pub async fn cassandra() -> Option<Self> {
        let node = millstream_tests::service("cassandra")?;
        let session = Box::new(SessionBuilder::new().known_node(&node).build().await.unwrap());
        let keyspace = format!("contract_{}", uuid::Uuid::new_v4().simple());
        Some(Self::Cassandra { node, keyspace, session })
    }

    pub async fn open(
        &self,
        table: &str,
        create: Option<CreateTable>,
        dead_letters: bool,
    ) -> Result<Box<dyn Sink>, OpenError> {
        let context = context(dead_letters);
        Ok(match self {
            Self::Sqlite(folder) => {
                let config = SqliteSink { path: folder.path().join("new/tables.db"), table: table.to_owned(), create };
                Box::new(SqliteTable::open(&config, &context).await?)
            }
            Self::Cassandra { node, keyspace, .. } => {
                let config = cassandra_sink(node, keyspace, table, create);
                Box::new(CassandraTable::open(&config, &context).await?)
            }
        })
    }

    /// The address of a table.
    pub fn url(&self, table: &str) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}/{table}", folder.path().join("new/tables.db").display()),
            Self::Cassandra { node, keyspace, .. } => format!("cassandra://{node}/{keyspace}.{table}"),
        }
    }

    /// The rows that are alive, in the order of their text.
    pub async fn rows(&self, table: &str, columns: &[&str]) -> Vec<TextRow> {
        let mut rows: Vec<TextRow> = match self {
            Self::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("new/tables.db")).unwrap();
                let as_text = |column: &&str| match *column {
                    "active" => "CASE active WHEN 1 THEN 'true' WHEN 0 THEN 'false' END".to_owned(),
                    column => format!("CAST({column} AS TEXT)"),
                };
                let columns: Vec<_> = columns.iter().map(as_text).collect();
                let sql = format!("SELECT {} FROM {table}_live", columns.join(", "));
                let mut statement = connection.prepare(&sql).unwrap();
                let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect();
                statement.query_map([], row).unwrap().map(Result::unwrap).collect()
            }
            Self::Cassandra { keyspace, session, .. } => {
                let columns: Vec<_> = columns.iter().map(|column| format!("CAST({column} AS text)")).collect();
                let cql = format!("SELECT {} FROM {keyspace}.{table}", columns.join(", "));
                let answer = session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
                let text = |value: Option<scylla::value::CqlValue>| value.map(|value| value.as_text().unwrap().clone());
                let rows = answer.rows::<scylla::value::Row>().unwrap().map(Result::unwrap);
                rows.map(|row| row.columns.into_iter().map(text).collect()).collect()
            }
        };
        rows.sort();
        rows
    }

    /// Seconds for which each row will live, in the order of their ids. Every one must have an end.
    pub async fn lives_s(&self, table: &str) -> Vec<i64> {
        match self {
            Self::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("new/tables.db")).unwrap();
                let sql = format!("SELECT expires_at / 1000 - unixepoch() FROM {table} ORDER BY id");
                let mut statement = connection.prepare(&sql).unwrap();
                statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            }
            Self::Cassandra { keyspace, session, .. } => {
                let cql = format!("SELECT id, TTL(age) FROM {keyspace}.{table}");
                let answer = session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
                let mut rows: Vec<(uuid::Uuid, i32)> = answer.rows().unwrap().map(Result::unwrap).collect();
                rows.sort();
                rows.into_iter().map(|(_, ttl)| ttl.into()).collect()
            }
        }
    }

    /// The bytes in a column of the row with that id.
    pub async fn blob(&self, table: &str, column: &str, id: &str) -> Vec<u8> {
        match self {
            Self::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("new/tables.db")).unwrap();
                let sql = format!("SELECT {column} FROM {table} WHERE id = ?1");
                connection.query_row(&sql, [id], |row| row.get(0)).unwrap()
            }
            Self::Cassandra { keyspace, session, .. } => {
                let cql = format!("SELECT {column} FROM {keyspace}.{table} WHERE id = ?");
                let answer = session.query_unpaged(cql, (id,)).await.unwrap().into_rows_result().unwrap();
                answer.single_row::<(Vec<u8>,)>().unwrap().0
            }
        }
    }

    /// Runs a statement in the engine's own language; `{table}` is replaced by the full name of the table.
    pub async fn run(&self, table: &str, statement: &str) {
        match self {
            Self::Sqlite(folder) => {
                std::fs::create_dir_all(folder.path().join("new")).unwrap();
                let connection = rusqlite::Connection::open(folder.path().join("new/tables.db")).unwrap();
                connection.execute_batch(&statement.replace("{table}", table)).unwrap();
            }
            Self::Cassandra { keyspace, session, .. } => {
                let statement = statement.replace("{table}", &format!("{keyspace}.{table}"));
                session.query_unpaged(statement, ()).await.unwrap();
            }
        }
    }

    /// Polls until the rows are as wanted.
    pub async fn eventually(&self, table: &str, columns: &[&str], wanted: &[TextRow]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let rows = self.rows(table, columns).await;
            if rows == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "still {rows:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn end(self) {
        if let Self::Cassandra { keyspace, session, .. } = self {
            session.query_unpaged(format!("DROP KEYSPACE IF EXISTS {keyspace}"), ()).await.unwrap();
        }
    }
}

/// Holds a fact against both engines.
pub async fn with_both(fact: impl AsyncFn(&Engine)) {
    let engine = Engine::sqlite();
    fact(&engine).await;
    engine.end().await;
    if let Some(engine) = Engine::cassandra().await {
        fact(&engine).await;
        engine.end().await;
    }
}

pub fn context(dead_letters: bool) -> OpenContext {
    let (display, timeout) = ("table:under-test".to_owned(), Duration::from_secs(30));
    OpenContext { pipeline: "store".into(), display, data_dir: PathBuf::new(), dead_letters, timeout }
}

pub fn cassandra_sink(node: &str, keyspace: &str, table: &str, create: Option<CreateTable>) -> CassandraSink {
    CassandraSink {
        nodes: vec![node.to_owned()],
        user: None,
        password: None,
        keyspace: keyspace.to_owned(),
        table: table.to_owned(),
        local_dc: None,
        create,
        consistency: "local_quorum".to_owned(),
        concurrency: 16,
    }
}

pub fn create(ttl: Option<Duration>) -> Option<CreateTable> {
    create_with(&COLUMNS, ttl)
}

pub fn create_with(columns: &[(&str, &str)], ttl: Option<Duration>) -> Option<CreateTable> {
    let owned = |(name, column_type): &(&str, &str)| ((*name).to_owned(), (*column_type).to_owned());
    let columns: Vec<_> = columns.iter().map(owned).collect();
    Some(CreateTable { primary_key: "id".to_owned(), columns, ttl, replication_factor: 1 })
}

/// A record to write: its JSON, timestamp and offset.
pub type TestRecord<'a> = (&'a str, i64, i64);

/// A batch of one partition, with the fields that the sink asked for.
pub fn batch(fields: &[Field], records: &[TestRecord<'_>]) -> Arc<WriteBatch> {
    let mut batch = Batch::new("users".into());
    for (value, timestamp_ms, offset) in records {
        batch.push(Record {
            key: None,
            value: Some(value.as_bytes()),
            headers: Headers::default(),
            timestamp_ms: *timestamp_ms,
            partition: 0,
            offset: *offset,
        });
    }
    let mut columns = Columns::new(fields.len());
    for (value, ..) in records {
        for (field, column) in fields.iter().zip(&mut columns.columns) {
            let (kind, text) = project(value, field.pointer.strip_prefix('/').unwrap());
            column.kinds.push(kind as u8);
            column.texts.push(text.as_bytes());
        }
    }
    Arc::new(WriteBatch { columns, ..WriteBatch::whole(batch) })
}

/// A dead letter with these headers.
pub fn dead_letter(headers: &[(&str, &str)], value: &[u8], offset: i64) -> Arc<WriteBatch> {
    let mut blocks = Slices::default();
    let mut writer = HeaderWriter::new(&mut blocks);
    for (name, value) in headers {
        writer.push(name, Some(value.as_bytes()));
    }
    writer.finish();
    let mut batch = Batch::new("users".into());
    let headers = Headers::new(blocks.get(0));
    batch.push(Record { key: Some(b"k"), value: Some(value), headers, timestamp_ms: 1, partition: 2, offset });
    Arc::new(WriteBatch::whole(batch))
}

fn project(value: &str, name: &str) -> (Kind, String) {
    use std::collections::HashMap;
    if serde_json::from_str::<serde::de::IgnoredAny>(value).is_err() {
        return (Kind::NotJson, String::new());
    }
    let Ok(mut object) = serde_json::from_str::<HashMap<String, Box<RawValue>>>(value) else {
        return (Kind::NotObject, String::new());
    };
    let Some(raw) = object.remove(name) else {
        return (Kind::Absent, String::new());
    };
    let raw = raw.get();
    let kind = match raw.as_bytes()[0] {
        b'"' => return (Kind::String, serde_json::from_str(raw).unwrap()),
        b'n' => return (Kind::Null, String::new()),
        b't' => Kind::True,
        b'f' => Kind::False,
        b'[' => Kind::Array,
        b'{' => Kind::Object,
        _ => Kind::Number,
    };
    (kind, raw.to_owned())
}
