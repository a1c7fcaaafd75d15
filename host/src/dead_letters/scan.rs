//! A look at a topic of dead letters, from the oldest to the last that was there when it began.

use std::{path::Path, sync::Arc};

use super::kafka::KafkaScan;
use crate::{
    config::{SinkConfig, SinkEndpoint},
    log::{Log, ReadRequest},
    record::{Batch, Positions},
};

/// Most letters in a batch, and most bytes of them.
pub(super) const RECORDS: usize = 1024;
pub(super) const BYTES: usize = 1 << 20;

/// Why dead letters cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("dead letters `{url}`: {message}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct ScanError {
    /// Where they are, without secrets.
    pub url: String,
    /// What was attempted and what came of it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// See the module.
pub struct Scan {
    name: String,
    url: String,
    engine: Engine,
}

enum Engine {
    Log { log: Arc<Log>, topic: Arc<str>, next: Positions, ends: Positions },
    Kafka(KafkaScan),
}

impl Scan {
    /// Looks where the pipeline writes its dead letters. A topic that is not there yet has none.
    pub async fn open(sink: &SinkConfig, data_dir: &Path, pipeline: &str) -> Result<Self, ScanError> {
        let url = sink.display.clone();
        let (name, engine) = match &sink.endpoint {
            SinkEndpoint::Log(config) => {
                let failed = |error: crate::log::LogError| ScanError {
                    url: url.clone(),
                    message: error.with_cause(),
                    hint: None,
                };
                let log = Log::open(data_dir).await.map_err(failed)?;
                let ends = log.end_offsets(&config.topic).await.map_err(failed)?.unwrap_or_default();
                let next = ends.iter().map(|(partition, _)| (partition, 0)).collect();
                let topic: Arc<str> = config.topic.as_str().into();
                (format!("log:{topic}"), Engine::Log { log, topic, next, ends })
            }
            SinkEndpoint::Kafka(config) => {
                let scan = KafkaScan::open(config, pipeline, &url).await?;
                (format!("kafka:{}", config.topic), Engine::Kafka(scan))
            }
            _ => {
                let message = "only a topic of dead letters can be read again".to_owned();
                let hint = "give `[pipeline.dead_letters]` a `url` such as `log:users.dead_letters` or \
                            `kafka://host:port/users.dead_letters`";
                return Err(ScanError { url, message, hint: Some(hint.to_owned()) });
            }
        };
        Ok(Self { name, url, engine })
    }

    /// The topic's name, which stays the same when brokers move.
    pub fn topic(&self) -> &str {
        &self.name
    }

    /// Where each partition ended when the look began.
    pub fn ends(&self) -> &Positions {
        match &self.engine {
            Engine::Log { ends, .. } => ends,
            Engine::Kafka(scan) => scan.ends(),
        }
    }

    /// More of them, in the order of each partition; `None` once all were returned.
    pub async fn next(&mut self) -> Result<Option<Batch>, ScanError> {
        match &mut self.engine {
            Engine::Log { log, topic, next, ends } => {
                let left = |(partition, end): (i32, i64)| {
                    let at = next.next_offset(partition).unwrap_or(0);
                    (at < end).then_some((partition, at))
                };
                let Some((partition, at)) = ends.iter().find_map(left) else { return Ok(None) };
                let request = ReadRequest {
                    topic: topic.clone(),
                    from: vec![(partition, at)],
                    max_records: RECORDS
                        .min(usize::try_from(ends.next_offset(partition).unwrap_or(0) - at).unwrap_or(RECORDS)),
                    max_bytes: BYTES,
                };
                let read = log.read(request, Batch::new(topic.clone())).await;
                let (batch, _) =
                    read.map_err(|error| ScanError { url: self.url.clone(), message: error.with_cause(), hint: None })?;
                if batch.is_empty() {
                    let message = format!("partition {partition} has no record at offset {at} any more");
                    return Err(ScanError { url: self.url.clone(), message, hint: None });
                }
                next.merge(&batch.positions());
                Ok(Some(batch))
            }
            Engine::Kafka(scan) => scan.next().await,
        }
    }
}
