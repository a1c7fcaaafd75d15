//! Opening a pipeline's parts, waiting out what may pass by itself and saying so.

use std::{future::Future, sync::Arc, time::Duration};

use super::{Meter, PipelineError, PipelineSpec, Stop, ledger::Ledger, now_ms, retry};
use crate::{
    config::{SinkConfig, SourceEndpoint},
    record::Positions,
    sink::{self, Sink},
    source,
    state::{Changelog, Migrated, TopicError, TopicLog},
    transform::Chain,
};

/// Longest wait between attempts to open a source or sink.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// Who opens.
pub(super) struct Opening<'a> {
    pub spec: &'a PipelineSpec,
    pub name: &'a Arc<str>,
    pub meter: &'a Meter,
}

impl Opening<'_> {
    pub async fn sink(&self, config: &SinkConfig, dead_letters: bool) -> Result<Box<dyn Sink>, sink::OpenError> {
        let context = sink::OpenContext {
            pipeline: self.name.clone(),
            display: config.display.clone(),
            data_dir: self.spec.data_dir.clone(),
            dead_letters,
            timeout: config.timeout,
        };
        self.until_opened(|error: &sink::OpenError| error.retryable, || sink::open(config, &context)).await
    }

    pub async fn source(
        &self,
        resume: &Positions,
        custodian: source::Custodian,
    ) -> Result<Box<dyn source::Source>, source::SourceError> {
        let config = &self.spec.config.source;
        let context = source::OpenContext {
            pipeline: self.name.clone(),
            display: config.display.clone(),
            data_dir: self.spec.data_dir.clone(),
            resume: resume.clone(),
            custodian: Some(custodian),
        };
        self.until_opened(|error: &source::SourceError| error.retryable, || source::open(config, &context)).await
    }

    /// Opens the pipeline's state. Files are restored at once; a topic is, partition by partition, when each is assigned.
    pub async fn ledger(&self, chain: &mut Chain) -> Result<(Ledger, Positions), PipelineError> {
        let config = &self.spec.config;
        let (Some(state), SourceEndpoint::Kafka(source)) = (&config.state, &config.source.endpoint) else {
            return self.files(chain);
        };
        // The stores that stages have declared decide how long the topic keeps frames.
        let mut states = chain.with_states(std::mem::take);
        let topic = self
            .until_opened(
                |error: &TopicError| error.retryable,
                || async {
                    let partitions = source::kafka::partitions(source, self.name, &config.source.display).await;
                    let partitions = partitions.map_err(|error| TopicError {
                        url: state.display.clone(),
                        message: error.to_string(),
                        hint: None,
                        retryable: error.retryable,
                    })?;
                    TopicLog::open(state, self.name, partitions, &states).await
                },
            )
            .await;
        chain.with_states(|lent| std::mem::swap(lent, &mut states));
        Ok((Ledger::Topic(Arc::new(topic?), Default::default()), Positions::default()))
    }

    fn files(&self, chain: &mut Chain) -> Result<(Ledger, Positions), PipelineError> {
        let folder = self.spec.data_dir.join("state").join(self.name.as_ref());
        let (mut changelog, restored) = tokio::task::block_in_place(|| {
            chain.with_states(|states| Changelog::open(&folder, self.spec.durability, states, now_ms()))
        })?;
        let migrated = tokio::task::block_in_place(|| chain.take_over_restored())?;
        for Migrated { stage, version, .. } in &migrated {
            tracing::info!(pipeline = %self.name, stage, version, "took over the state of an older version");
        }
        changelog.migrated(migrated);
        if restored.seq > 0 {
            tracing::info!(
                pipeline = %self.name, records = restored.totals.consumed, state_entries = restored.entries,
                "resuming after the last commit"
            );
        }
        Ok((Ledger::Files(Box::new(changelog), restored.totals), restored.positions))
    }

    async fn until_opened<T, E: std::error::Error, F: Future<Output = Result<T, E>>>(
        &self,
        is_retryable: impl Fn(&E) -> bool,
        open: impl Fn() -> F,
    ) -> Result<T, E> {
        let mut backoff = retry::Backoff::new(MAX_DELAY);
        loop {
            match open().await {
                Err(error) if is_retryable(&error) => {
                    let delay = backoff.next();
                    let delay_ms = delay.as_millis() as u64;
                    tracing::warn!(pipeline = %self.name, attempt = backoff.failures(), delay_ms, "{error}; trying again");
                    self.meter.waiting(Some(error.to_string()));
                    tokio::time::sleep(delay).await;
                }
                result => {
                    self.meter.waiting(None);
                    return result;
                }
            }
        }
    }
}

pub(super) async fn unless_stopped<T>(stop: &mut Stop, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = future => Some(result),
        () = stop.draining() => None,
    }
}
