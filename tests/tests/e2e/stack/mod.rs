//! A place for whole pipelines, on the embedded engines or on the real ones, with everything around them.
//!
//! Comes in: records for a topic and the text of a `pipeline.toml`. Goes out: the reports of the run, the rows of a
//! table as text, the records of a topic. Each place has topics, tables and state of its own, and removes them.

mod engines;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use millstream::{
    config::{self, SinkEndpoint, SourceConfig, SourceEndpoint, Start},
    pipeline::{Ending, Host, PipelineSpec, Report, prepare},
    plugin::PluginEngine,
    record::{Batch, Headers, Positions, Record},
    source::{self, BatchLimits, Filled, Source},
};

pub use engines::sqlite_rows;

use engines::Real;

/// Longest time of one run; they take seconds.
const PATIENCE: Duration = Duration::from_secs(240);

/// A table's row: column → text.
pub type Row = BTreeMap<String, Option<String>>;

/// A record to be read by a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// A folder for the configuration and the embedded engines; and, where `real` is there, the real engines instead.
pub struct Stack {
    folder: tempfile::TempDir,
    real: Option<Real>,
}

impl Stack {
    pub fn embedded() -> Option<Self> {
        Some(Self { folder: tempfile::tempdir().unwrap(), real: None })
    }

    /// `None` where the services are not given.
    pub async fn real() -> Option<Self> {
        Some(Self { folder: tempfile::tempdir().unwrap(), real: Some(Real::open().await?) })
    }

    /// `None` where there is no Kafka; this place has no table.
    pub fn kafka() -> Option<Self> {
        Some(Self { folder: tempfile::tempdir().unwrap(), real: Some(Real::open_kafka()?) })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the embedded log and the state are, by default.
    pub fn data_dir(&self) -> PathBuf {
        self.folder().join(".millstream")
    }

    pub fn topic_url(&self, topic: &str) -> String {
        match &self.real {
            Some(real) => format!("kafka://{}/{}", real.brokers, real.topic(topic)),
            None => format!("log:{topic}"),
        }
    }

    pub fn table_url(&self, table: &str) -> String {
        match &self.real {
            Some(real) => format!("cassandra://{}/{}.{table}", real.node, real.keyspace()),
            None => format!("sqlite:tables.db/{table}"),
        }
    }

    pub async fn create_topic(&self, topic: &str, partitions: u32) {
        match &self.real {
            Some(real) => real.create_topic(topic, partitions).await,
            None => {
                let log = millstream::log::Log::open(&self.data_dir()).await.unwrap();
                assert_eq!(log.create_topic(topic, partitions).await.unwrap(), partitions);
            }
        }
    }

    /// Appends records, each to its partition. The embedded log has no way to choose one, so there each key must be
    /// one of its partition.
    pub async fn append(&self, topic: &str, records: &[(i32, Input)]) {
        if let Some(real) = &self.real {
            return real.append(topic, records).await;
        }
        let mut batch = Batch::new(topic.into());
        for (_, input) in records {
            batch.push(Record {
                key: input.key.as_deref(),
                value: input.value.as_deref(),
                headers: Headers::default(),
                timestamp_ms: -1,
                partition: -1,
                offset: -1,
            });
        }
        let log = millstream::log::Log::open(&self.data_dir()).await.unwrap();
        let appended = log.append(topic, 1, Arc::new(batch), Duration::from_secs(10)).await.unwrap();
        for (to, (partition, _)) in appended.iter().zip(records) {
            assert_eq!(to.partition, *partition, "the key is not one of the partition");
        }
    }

    /// Reads a configuration in which `${SOURCE}`, `${SINK}`, `${DEAD_LETTERS}` and `${PLUGINS}` are this place's, and
    /// prepares its pipelines.
    pub fn specs(&self, config: &str) -> Vec<PipelineSpec> {
        let path = self.folder().join("pipeline.toml");
        std::fs::write(&path, config).unwrap();
        let env = |name: &str| {
            Some(match name {
                "SOURCE" => self.topic_url("source"),
                "SINK" => self.table_url("users"),
                "DEAD_LETTERS" => self.topic_url("dead_letters"),
                "PLUGINS" => plugins().to_str().unwrap().to_owned(),
                _ => return None,
            })
        };
        prepared(&config::load(&path, &env).unwrap_or_else(|faults| panic!("{faults}")))
    }

    /// Runs the one pipeline of a configuration until it has caught up.
    pub async fn run(&self, config: &str) -> Report {
        let mut reports = finish(self.specs(config)).await;
        assert_eq!(reports.len(), 1);
        reports.remove(0)
    }

    /// The rows of a table, sorted by their columns' texts, `id` first.
    pub async fn rows(&self, table: &str, columns: &[String]) -> Vec<Row> {
        let mut rows = match &self.real {
            Some(real) => real.rows(table, columns).await,
            None => sqlite_rows(&self.folder().join("tables.db"), table, columns),
        };
        rows.sort_by(|a, b| (a.get("id"), a).cmp(&(b.get("id"), b)));
        rows
    }

    /// All records of a topic, read by a group of its own.
    pub async fn read(&self, topic: &str) -> Batch {
        let mut source = self.reader(topic, "", Positions::default()).await;
        let all = drain(source.as_mut(), &limits()).await;
        source.close().await;
        all
    }

    /// Opens a topic as a group; an empty name stands for a group that nobody else is in.
    pub async fn reader(&self, topic: &str, group: &str, resume: Positions) -> Box<dyn Source> {
        let group = if group.is_empty() { uuid::Uuid::new_v4().to_string() } else { group.to_owned() };
        let start = Start::Earliest;
        let endpoint = match &self.real {
            Some(real) => {
                let (brokers, topic) = (real.brokers.clone(), real.topic(topic));
                let group = format!("{topic}-{group}");
                SourceEndpoint::Kafka(config::KafkaSource {
                    brokers,
                    topic,
                    group,
                    start,
                    instance: None,
                    options: Vec::new(),
                })
            }
            None => SourceEndpoint::Log(config::LogSource { topic: topic.to_owned(), group, start }),
        };
        let display = self.topic_url(topic);
        let context = source::OpenContext {
            pipeline: "e2e".into(),
            display: display.clone(),
            data_dir: self.data_dir(),
            resume,
            custodian: None,
        };
        let config = SourceConfig {
            display,
            endpoint,
            batch_records: 1024,
            batch_bytes: 1 << 20,
            linger: Duration::from_millis(5),
            trigger: None,
            drain: Duration::from_secs(10),
        };
        source::open(&config, &context).await.unwrap()
    }

    pub async fn end(self) {
        if let Some(real) = self.real {
            real.end().await;
        }
    }
}

pub fn limits() -> BatchLimits {
    let (linger, idle) = (Duration::from_millis(5), Duration::from_millis(200));
    BatchLimits { records: 1024, bytes: 1 << 20, linger, idle }
}

/// Reads until everything has been read.
pub async fn drain(source: &mut dyn Source, limits: &BatchLimits) -> Batch {
    let read = async {
        let mut all = Batch::new("all".into());
        loop {
            let mut batch = Batch::new("none".into());
            match source.fill(&mut batch, limits).await.unwrap() {
                Filled::Records => (0..batch.len()).for_each(|row| all.push(batch.record(row))),
                Filled::CaughtUp => return all,
                Filled::Idle => {}
                Filled::End | Filled::Lost => panic!("a topic has no end, and this reader no pipeline"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the topic was not read to its end in time")
}

/// The folder of the plugins that come with the product.
pub fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").canonicalize().unwrap()
}

/// Builds and loads the plugins; one test at a time, so that the first one builds for all.
pub fn prepared(loaded: &config::Loaded) -> Vec<PipelineSpec> {
    static ENGINE: OnceLock<PluginEngine> = OnceLock::new();
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let engine = ENGINE.get_or_init(|| PluginEngine::new().unwrap());
    prepare(loaded, engine, &[], &mut |_| {}).unwrap_or_else(|faults| panic!("{faults}")).specs
}

/// Runs pipelines to their end, and makes sure that each drained and accounts for all its records.
pub async fn finish(specs: Vec<PipelineSpec>) -> Vec<Report> {
    let reports = tokio::time::timeout(PATIENCE, Host::start(specs).wait()).await.expect("a pipeline did not end");
    for report in &reports {
        assert!(matches!(report.result, Ok(Ending::Drained)), "{report:?}");
        assert_eq!(report.figures.totals.drift(), 0, "{report:?}");
    }
    reports
}

/// The columns of the table that the pipeline's sink creates.
pub fn columns(spec: &PipelineSpec) -> Vec<String> {
    let create = match &spec.config.sink.endpoint {
        SinkEndpoint::Cassandra(sink) => &sink.create,
        SinkEndpoint::Sqlite(sink) => &sink.create,
        other => panic!("{other:?} is no table"),
    };
    create.as_ref().unwrap().columns.iter().map(|(name, _)| name.clone()).collect()
}

/// A header's text; empty where there is none.
pub fn header<'a>(record: &Record<'a>, name: &str) -> &'a str {
    std::str::from_utf8(record.headers.get(name).unwrap_or_default()).unwrap()
}
