//! Delivery to one sink: the same rows again and again, until each is durable or refused for good.

use std::{sync::Arc, time::Duration};

use super::{Meter, Stop, retry::Backoff};
use crate::sink::{CLOSED, Failure, Sink, WriteBatch};

/// A failing sink is complained of at most this often; the meter shows it all the time.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// A sink with its patience.
pub(super) struct Delivery {
    pub pipeline: Arc<str>,
    /// The sink, without secrets.
    pub url: String,
    pub sink: Box<dyn Sink>,
    pub retry_max_delay: Duration,
    pub meter: Meter,
}

/// All rows are durable but for those that were refused.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// Refused for good, by ascending row.
    pub refused: Vec<Failure>,
    /// Attempts that it took.
    pub attempts: u64,
}

/// Waiting was called off before all rows were durable.
#[derive(Debug)]
pub(super) struct Abandoned {
    /// Rows that are not known to be durable.
    pub rows: usize,
    /// What the sink said last.
    pub why: String,
}

impl Delivery {
    /// Delivers all rows of a batch.
    pub async fn deliver(&mut self, batch: &Arc<WriteBatch>, stop: &mut Stop) -> Result<Delivered, Abandoned> {
        let mut delivered = Delivered::default();
        let mut rows: Vec<u32> = (0..batch.len() as u32).collect();
        let mut backoff = Backoff::new(self.retry_max_delay);
        let mut complained: Option<tokio::time::Instant> = None;
        while !rows.is_empty() {
            delivered.attempts += 1;
            let failures = tokio::select! {
                failures = self.sink.write(batch, &rows) => failures,
                () = stop.abandoned() => return Err(Abandoned { rows: rows.len(), why: "the sink has not answered yet".to_owned() }),
            };
            let (again, refused): (Vec<_>, Vec<_>) = failures.into_iter().partition(|failure| failure.retryable);
            delivered.refused.extend(refused);
            let Some(first) = again.first() else { break };
            rows = again.iter().map(|failure| failure.row).collect();
            rows.sort_unstable();
            let why = format!("{}: {}", first.code, first.detail);
            if again.iter().any(|failure| failure.code == CLOSED) {
                return Err(Abandoned { rows: again.len(), why });
            }
            let delay = backoff.next();
            self.meter.retry(format!("sink `{}`: {why}", self.url));
            if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
                complained = Some(tokio::time::Instant::now());
                tracing::warn!(
                    pipeline = %self.pipeline, sink = %self.url, records = rows.len(), attempt = delivered.attempts,
                    delay_ms = delay.as_millis() as u64, "cannot write, trying again: {why}"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stop.abandoned() => return Err(Abandoned { rows: rows.len(), why }),
            }
        }
        if complained.is_some() {
            tracing::info!(pipeline = %self.pipeline, sink = %self.url, attempts = delivered.attempts, "writing again");
        }
        delivered.refused.sort_by_key(|failure| failure.row);
        Ok(delivered)
    }

    /// Delivers all rows, where none may be refused: what refuses a dead letter stops progress rather than losing it.
    pub async fn deliver_all(&mut self, batch: &Arc<WriteBatch>, stop: &mut Stop) -> Result<(), Abandoned> {
        let mut backoff = Backoff::new(self.retry_max_delay);
        loop {
            let delivered = self.deliver(batch, stop).await?;
            let Some(first) = delivered.refused.first() else { return Ok(()) };
            let why = format!("{}: {}", first.code, first.detail);
            tracing::error!(
                pipeline = %self.pipeline, sink = %self.url, records = delivered.refused.len(),
                "the dead-letter sink refuses records; nothing goes on until it takes them: {why}"
            );
            self.meter.retry(format!("dead letters `{}`: {why}", self.url));
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                () = stop.abandoned() => return Err(Abandoned { rows: delivered.refused.len(), why }),
            }
        }
    }

    /// Lets go of the sink.
    pub async fn close(self) {
        self.sink.close().await;
    }
}
