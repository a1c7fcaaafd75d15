//! What is read, and how.

use std::{path::PathBuf, time::Duration};

/// `[pipeline.source]`
#[derive(Debug, Clone, PartialEq)]
pub struct SourceConfig {
    /// The `url` as written, secrets masked; for messages.
    pub display: String,
    /// What the `url` names.
    pub endpoint: SourceEndpoint,
    /// `batch_records`: most records in a batch. Default 4096.
    pub batch_records: usize,
    /// `batch_bytes`: most bytes in a batch. Default 320 KiB, or 2 MiB where the sink waits for each batch.
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
