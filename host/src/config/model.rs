//! The configuration as the rest of the host sees it: typed, checked, with every default filled in.

use std::{path::PathBuf, time::Duration};

use super::defaults as d;
pub use super::redacted::Secret;

/// A whole `pipeline.toml`.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// `[host]`
    pub host: HostConfig,
    /// `[[pipeline]]`, in the order of the file.
    pub pipelines: Vec<PipelineConfig>,
    /// `[[test]]`, in the order of the file.
    pub tests: Vec<TestConfig>,
}

/// Settings of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// Folder of the embedded log and of the state, relative to the file's folder. Default `.millstream`.
    pub data_dir: PathBuf,
    /// Where the host answers requests about itself. Default: nowhere.
    pub admin: Option<std::net::SocketAddr>,
    /// What requests to it have to show. Default: nothing, and only this machine reaches it.
    pub admin_token: Option<Secret>,
    /// When a commit counts as durable. Default `commit`.
    pub durability: Durability,
    /// `stack`: most stack of a plugin's call, in bytes. Default 512 KiB.
    pub stack: usize,
    /// `fuel`: whether what plugins execute is counted. Default: not.
    pub fuel: bool,
}

/// When a commit counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once it is fsynced.
    Commit,
    /// Once the operating system has it: survives a crash of the host, not of the machine.
    Os,
}

/// One pipeline: a source, stages, a sink and a sink for dead letters.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineConfig {
    /// Unique name; letters, digits, `-` and `_`.
    pub name: String,
    /// Where its records come from.
    pub source: SourceConfig,
    /// What is done to them, in order.
    pub stages: Vec<StageConfig>,
    /// Where they go.
    pub sink: SinkConfig,
    /// Where rejected and refused ones go. Default: `<topic>.dead_letters` beside the source's topic, or beside the
    /// sink's where the source has none.
    pub dead_letters: SinkConfig,
    /// `[pipeline.state]`: a topic for state and positions. Default: files below `data_dir`.
    pub state: Option<TopicState>,
    /// `[pipeline.probation]`
    pub probation: Probation,
    /// Threads that begin batches.
    pub workers: usize,
    /// `commit_interval`: how long what is written may wait to be committed together with more.
    pub commit_interval: Duration,
    /// `for`: ends the pipeline after that time. Default: never.
    pub run_for: Option<Duration>,
    /// `until = "caught-up"`: ends the pipeline once it has handled all there was.
    pub until_caught_up: bool,
    /// `schedule` and `time_zone`: runs at these times, each run to its end. Default: runs once, at once.
    pub schedule: Option<super::Schedule>,
}

/// When a version that was swapped in is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probation {
    /// `records`: its first so many records are watched. Default 1000.
    pub records: u64,
    /// `time`: and no longer than that. Default 10 s.
    pub time: Duration,
    /// `rejects`: percent of them that it may reject beyond those that the version before rejects. Default 80.
    pub rejects: u64,
    /// `traps`: percent of them on which it may fail although the version before does not. Default 0.
    pub traps: u64,
}

impl Default for Probation {
    fn default() -> Self {
        Self {
            records: d::PROBATION_RECORDS,
            time: d::PROBATION_TIME,
            rejects: d::PROBATION_REJECTS,
            traps: d::PROBATION_TRAPS,
        }
    }
}

/// `[pipeline.source]`
#[derive(Debug, Clone, PartialEq)]
pub struct SourceConfig {
    /// The `url` as written, secrets masked; for messages.
    pub display: String,
    /// What the `url` names.
    pub endpoint: SourceEndpoint,
    /// `batch_records`: most records in a batch. Default 1024.
    pub batch_records: usize,
    /// `batch_bytes`: most bytes in a batch. Default 1 MiB.
    pub batch_bytes: usize,
    /// `linger`: how long a batch waits for more. Default 5 ms.
    pub linger: Duration,
    /// `trigger_records` and `trigger_interval`: at most so many records in each interval (Spark's
    /// `maxOffsetsPerTrigger` and processing time). Default: no limit.
    pub trigger: Option<Trigger>,
    /// `drain`: how long a partition that goes to another host may wait until what was read of it is durable.
    pub drain: Duration,
}

/// At most `records` in every `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// Most records read in one interval; `None`: whatever is there when the interval begins.
    pub records: Option<usize>,
    /// Time from the beginning of one read to the next.
    pub interval: Duration,
}

/// A source's `url`, taken apart, with the settings of its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEndpoint {
    /// `http://…`, `https://…`
    Http(HttpSource),
    /// `kafka://host:port[,host:port]/topic`
    Kafka(KafkaSource),
    /// `log:topic`
    Log(LogSource),
    /// `file:path`
    File(FileSource),
    /// `generator:users`
    Generator(GeneratorSource),
}

/// Polls an HTTP address and splits each answer into records.
#[derive(Clone, PartialEq)] // `Debug` hides the secrets: see redacted.rs
pub struct HttpSource {
    /// The address.
    pub url: String,
    /// `headers`: sent with every request. Values are secrets.
    pub headers: Vec<(String, String)>,
    /// `every`: time from one request to the next. Default 10 s.
    pub every: Duration,
    /// `split`: JSON pointer to the array whose items are the records. Default: the whole answer is one record.
    pub split: Option<String>,
    /// `timeout` of one request. Default 10 s.
    pub timeout: Duration,
    /// `max_bytes`: largest answer. Default 16 MiB.
    pub max_bytes: usize,
    /// `retry_max_delay`: longest wait between failed requests. Default 60 s.
    pub retry_max_delay: Duration,
}

/// Where a source begins that has no position yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record (the default).
    Earliest,
    /// With the first one that arrives from now on.
    Latest,
}

/// Reads a topic of Apache Kafka, as a member of a consumer group.
#[derive(Clone, PartialEq)] // `Debug` hides the secrets: see redacted.rs
pub struct KafkaSource {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// `group`. Default `millstream-<pipeline>`.
    pub group: String,
    /// `start`: `"earliest"` or `"latest"`.
    pub start: Start,
    /// `instance`: the member's name in the group. Default: one kept in `data_dir`, where the state is kept there, too.
    pub instance: Option<String>,
    /// `[….options]`: further settings of librdkafka, as they are. Values are secrets.
    pub options: Vec<(String, String)>,
}

/// `[pipeline.state]`: a changelog in a topic of Apache Kafka.
#[derive(Clone, PartialEq)] // `Debug` hides the secrets: see redacted.rs
pub struct TopicState {
    /// The `url` as written, secrets masked; for messages.
    pub display: String,
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// `replication_factor`, where the topic is created. Default: the broker's own (-1).
    pub replication: i32,
    /// `[….options]`: further settings of librdkafka, as they are. Default: those of the source. Values are secrets.
    pub options: Vec<(String, String)>,
}

/// Reads a topic of the embedded log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSource {
    /// The topic.
    pub topic: String,
    /// `group`. Default `millstream-<pipeline>`.
    pub group: String,
    /// `start`: `"earliest"` or `"latest"`.
    pub start: Start,
}

/// Reads a file, a record per line.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSource {
    /// The file, relative to the configuration's folder.
    pub path: PathBuf,
    /// `follow`: waits for more lines at the end, as `tail -f` does. Default false.
    pub follow: bool,
}

/// Makes Random-User-shaped API results.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorSource {
    /// `seed`: the same seed makes the same records. Default 1.
    pub seed: u64,
    /// `records`: how many. Default: without end.
    pub records: Option<u64>,
    /// `rate`: records per second. Default: as fast as they are taken.
    pub rate: Option<u64>,
}

/// `[[pipeline.stage]]`
#[derive(Debug, Clone, PartialEq)]
pub struct StageConfig {
    /// Unique within the pipeline. Default: the plugin's file or folder name.
    pub name: String,
    /// The plugin: a `.wasm` file, or a crate folder that the host builds.
    pub plugin: PathBuf,
    /// `[pipeline.stage.config]`: handed to the plugin as JSON.
    pub config: serde_json::Value,
    /// `memory`: most linear memory, in bytes. Default 64 MiB.
    pub memory: usize,
    /// `table`: most entries of the tables of an instance. Default 100,000.
    pub table: usize,
    /// `output`: most bytes that one call may return. Default 16 MiB.
    pub output: usize,
    /// `timeout` of one call. Default 1 s.
    pub timeout: Duration,
    /// `log`: most messages in a second. Default 50.
    pub log: u32,
    /// `grant`: what its plugin may use of the host. Default nothing.
    pub grant: Vec<&'static str>,
    /// Where the stage stands in the file: byte offsets of its table, for messages about its plugin.
    pub span: std::ops::Range<usize>,
    /// Where its `plugin` value stands in the file.
    pub plugin_span: std::ops::Range<usize>,
    /// Where its `config` stands in the file, or else its table.
    pub config_span: std::ops::Range<usize>,
    /// Where its `grant` stands in the file, or else its table.
    pub grant_span: std::ops::Range<usize>,
}

/// `[[test]]`: records for a pipeline's stages, and what must become of each.
#[derive(Debug, Clone, PartialEq)]
pub struct TestConfig {
    /// `name`: what it shows.
    pub name: String,
    /// `pipeline`, or the only one.
    pub pipeline: String,
    /// `[[test.record]]`: handed to the stages in one batch.
    pub records: Vec<TestRecord>,
    /// Where it stands in the file.
    pub span: std::ops::Range<usize>,
}

/// `[[test.record]]`
#[derive(Debug, Clone, PartialEq)]
pub struct TestRecord {
    /// `key`. Default: none.
    pub key: Option<String>,
    /// `value`
    pub value: Made,
    /// `timestamp`, in Unix milliseconds. Default: none.
    pub timestamp_ms: Option<i64>,
    /// What must become of it.
    pub expected: Expected,
    /// Where it stands in the file.
    pub span: std::ops::Range<usize>,
}

/// A record's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// These bytes.
    Text(String),
    /// This JSON; how it is written does not matter.
    Json(serde_json::Value),
}

/// What must become of a record, and nothing else may.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// `kept = true`: it comes out as it went in, byte for byte.
    Kept,
    /// `written`: these come out of it, in this order.
    Written(Vec<Made>),
    /// `dropped`, with this reason, by this stage where one is named.
    Dropped {
        /// The code, or `code: detail`.
        reason: String,
        /// `by`
        stage: Option<String>,
    },
    /// `rejected`, likewise.
    Rejected {
        /// The code, or `code: detail`.
        reason: String,
        /// `by`
        stage: Option<String>,
    },
}

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
