//! What differs between the engines: how topics are made and written without the host, and how a table is read.

use std::{collections::BTreeSet, path::Path, sync::Mutex, time::Duration};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::{FutureProducer, FutureRecord},
};
use scylla::client::{session::Session, session_builder::SessionBuilder};

use super::{Input, Row};

/// Records that the producer may hold at a time, below the limit of its queue.
const SENT_AT_ONCE: usize = 20_000;

/// Kafka, and Cassandra where it is asked for, with names that nobody else uses.
pub struct Real {
    pub brokers: String,
    pub node: String,
    suffix: String,
    admin: AdminClient<DefaultClientContext>,
    session: Option<Box<Session>>,
    /// By their full names, to be deleted.
    topics: Mutex<BTreeSet<String>>,
}

impl Real {
    pub async fn open() -> Option<Self> {
        let node = millstream_tests::service("cassandra")?;
        let session = Box::new(SessionBuilder::new().known_node(&node).build().await.unwrap());
        Some(Self { node, session: Some(session), ..Self::open_kafka()? })
    }

    pub fn open_kafka() -> Option<Self> {
        let brokers = millstream_tests::service("kafka")?;
        let admin = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        let suffix = uuid::Uuid::new_v4().simple().to_string();
        Some(Self { brokers, node: String::new(), suffix, admin, session: None, topics: Mutex::default() })
    }

    pub fn topic(&self, topic: &str) -> String {
        let name = format!("millstream-e2e-{}.{topic}", self.suffix);
        self.topics.lock().unwrap().insert(name.clone());
        name
    }

    pub fn keyspace(&self) -> String {
        format!("millstream_e2e_{}", self.suffix)
    }

    pub async fn create_topic(&self, topic: &str, partitions: u32) {
        let name = self.topic(topic);
        let new = NewTopic::new(&name, partitions as i32, TopicReplication::Fixed(1));
        for result in self.admin.create_topics([&new], &options()).await.unwrap() {
            result.unwrap();
        }
    }

    pub async fn append(&self, topic: &str, records: &[(i32, Input)]) {
        let topic = self.topic(topic);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("enable.idempotence", "true");
        let producer: FutureProducer = config.create().unwrap();
        for records in records.chunks(SENT_AT_ONCE) {
            let mut sent = Vec::with_capacity(records.len());
            for (partition, input) in records {
                let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&topic).partition(*partition);
                record.key = input.key.as_deref();
                record.payload = input.value.as_deref();
                sent.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
            }
            for delivery in sent {
                delivery.await.unwrap().map_err(|(error, _)| error).unwrap();
            }
        }
    }

    pub async fn rows(&self, table: &str, columns: &[String]) -> Vec<Row> {
        let casts: Vec<_> = columns.iter().map(|column| format!("CAST({column} AS text)")).collect();
        let cql = format!("SELECT {} FROM {}.{table}", casts.join(", "), self.keyspace());
        let session = self.session.as_ref().unwrap();
        let answer = session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
        let text = |value: Option<scylla::value::CqlValue>| value.map(|value| value.as_text().unwrap().clone());
        let rows = answer.rows::<scylla::value::Row>().unwrap().map(Result::unwrap);
        rows.map(|row| columns.iter().cloned().zip(row.columns.into_iter().map(text)).collect()).collect()
    }

    pub async fn end(self) {
        let topics = self.topics.into_inner().unwrap();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        // one that was named and never made is no fault
        self.admin.delete_topics(&topics, &options()).await.unwrap();
        if let Some(session) = &self.session {
            let keyspace = format!("millstream_e2e_{}", self.suffix);
            session.query_unpaged(format!("DROP KEYSPACE IF EXISTS {keyspace}"), ()).await.unwrap();
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)))
}

/// The rows of an SQLite table that have not expired.
pub fn sqlite_rows(file: &Path, table: &str, columns: &[String]) -> Vec<Row> {
    let connection = rusqlite::Connection::open(file).unwrap();
    let casts: Vec<_> = columns.iter().map(|column| format!("CAST({column} AS TEXT)")).collect();
    let sql = format!("SELECT {} FROM {table}_live", casts.join(", "));
    let mut statement = connection.prepare(&sql).unwrap();
    let text = |row: &rusqlite::Row<'_>, at: usize| row.get::<_, Option<String>>(at).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok(columns.iter().cloned().zip((0..).map(|at| text(row, at))).collect());
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}
