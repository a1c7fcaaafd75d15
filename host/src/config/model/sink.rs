//! Where records and dead letters go.

use std::{path::PathBuf, time::Duration};

/// `[pipeline.sink]` and `[pipeline.dead_letters]`
#[derive(Debug, Clone, PartialEq)]
pub struct SinkConfig {
    /// The `url` as written, secrets masked; for messages.
    pub display: String,
    /// What the `url` names.
    pub endpoint: SinkEndpoint,
    /// `timeout` of one attempt to write a batch. Default 30 s.
    pub timeout: Duration,
    /// `retry_max_delay`: longest wait between attempts. Default 10 s.
    pub retry_max_delay: Duration,
}

/// A sink's `url`, taken apart, with the settings of its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkEndpoint {
    /// `kafka://host:port[,host:port]/topic`
    Kafka(KafkaSink),
    /// `cassandra://[user:password@]host:port[,host:port]/keyspace.table`
    Cassandra(CassandraSink),
    /// `log:topic`
    Log(LogSink),
    /// `sqlite:path/table`
    Sqlite(SqliteSink),
    /// `file:path`
    File(FileSink),
    /// `stdout:`
    Stdout(Format),
    /// `discard:`
    Discard,
}

/// How a record is written to a file or to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `"value"`: the value and a line feed. Default for records.
    Value,
    /// `"envelope"`: a JSON object with key, headers, timestamp and value. Default for dead letters.
    Envelope,
}

/// Writes to a topic of Apache Kafka.
#[derive(Clone, PartialEq)] // `Debug` hides the secrets: see redacted.rs
pub struct KafkaSink {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// `[….options]`: further settings of librdkafka, as they are. Values are secrets.
    pub options: Vec<(String, String)>,
}

/// Upserts into a table of Apache Cassandra.
#[derive(Clone, PartialEq)] // `Debug` hides the secrets: see redacted.rs
pub struct CassandraSink {
    /// `host:port`, each.
    pub nodes: Vec<String>,
    /// From the address.
    pub user: Option<String>,
    /// From the address, decoded; a secret.
    pub password: Option<String>,
    /// The keyspace.
    pub keyspace: String,
    /// The table.
    pub table: String,
    /// `local_dc`: the datacenter to prefer. Default: that of the first node reached.
    pub local_dc: Option<String>,
    /// `create`: creates keyspace and table where they are missing. Default false.
    pub create: Option<CreateTable>,
    /// `consistency`, such as `"local_quorum"` (the default), in lower case.
    pub consistency: String,
    /// `concurrency`: most writes under way at the same time. Default 128.
    pub concurrency: usize,
}

/// `[….create]`: how to create what is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// `columns`: an inline table, name = CQL type, in order.
    pub columns: Vec<(String, String)>,
    /// `primary_key`: a column. Default: the first.
    pub primary_key: String,
    /// `ttl`: `default_time_to_live`. Default: rows stay.
    pub ttl: Option<Duration>,
    /// `replication_factor`. Default 1.
    pub replication_factor: u32,
}

/// Appends to a topic of the embedded log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSink {
    /// The topic.
    pub topic: String,
    /// `partitions`, where the topic is created. Default 4.
    pub partitions: u32,
}

/// Upserts into a table of an SQLite file.
#[derive(Debug, Clone, PartialEq)]
pub struct SqliteSink {
    /// The file, relative to the configuration's folder.
    pub path: PathBuf,
    /// The table.
    pub table: String,
    /// `create`, as for Cassandra: types are kept as the declared types, `ttl` as the default lifetime of rows.
    pub create: Option<CreateTable>,
}

/// Appends to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSink {
    /// The file, relative to the configuration's folder.
    pub path: PathBuf,
    /// `format`
    pub format: Format,
}
