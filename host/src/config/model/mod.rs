//! The configuration as the rest of the host sees it: typed, checked, with every default filled in.

mod case;
mod sink;
mod source;

use std::{path::PathBuf, time::Duration};

pub use self::{case::*, sink::*, source::*};
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
