//! The reader: from the source into batches, no faster than the worker takes them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};

use super::{Meter, Stop, worker::Task};
use crate::{
    config::{SourceConfig, Trigger},
    record::Batch,
    source::{BatchLimits, Custody, Filled, Source, SourceError},
};

/// How long a source waits for a first record before the reader looks at the clock again.
const IDLE: Duration = Duration::from_millis(100);
/// Longest wait after an error of the source that may pass.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadEnd {
    /// It was told to.
    Done,
    /// All is read.
    AllRead,
    /// See [`Filled::Lost`].
    Lost,
}

/// A source, and where its batches go.
pub(super) struct Reader<'a> {
    pub pipeline: &'a str,
    pub source: &'a mut dyn Source,
    pub config: &'a SourceConfig,
    pub until_caught_up: bool,
    pub tasks: mpsc::UnboundedSender<Task>,
    /// Room for batches that wait for the worker; closed when it has ended.
    pub room: Arc<Semaphore>,
    /// What the source asks for.
    pub changes: mpsc::UnboundedReceiver<Custody>,
    pub meter: &'a Meter,
    pub stop: Stop,
}

impl Reader<'_> {
    /// Reads until it is told to stop, the source ends, or all is read and that is what was asked for.
    pub async fn read(mut self) -> Result<ReadEnd, SourceError> {
        let topic = source_topic(self.config).unwrap_or_else(|| self.config.display.as_str().into());
        let mut window = Window::new(self.config.trigger);
        let mut failures = super::retry::Backoff::new(MAX_RETRY_DELAY);
        let result = loop {
            let limits = BatchLimits {
                records: window.room(self.config.batch_records),
                bytes: self.config.batch_bytes,
                linger: self.config.linger,
                idle: IDLE,
            };
            let mut batch = Batch::new(topic.clone());
            let filled = tokio::select! {
                biased;
                () = self.stop.draining() => break Ok(ReadEnd::Done),
                // In the same task as `fill`, so that a request never overtakes a batch that `fill` has returned.
                Some(change) = self.changes.recv() => {
                    self.hand_over(change);
                    continue;
                }
                filled = self.source.fill(&mut batch, &limits) => filled,
            };
            self.meter.lags(self.source.lags());
            let filled = match filled {
                Ok(filled) => filled,
                Err(error) if error.retryable => {
                    let delay = error.retry_in.unwrap_or_else(|| failures.next());
                    let delay_ms = delay.as_millis() as u64;
                    let shown = humantime::format_duration(Duration::from_millis(delay_ms));
                    tracing::warn!(pipeline = self.pipeline, delay_ms, "{error}; trying again in {shown}");
                    self.meter.source_failed(error.to_string());
                    if !self.pause(Instant::now() + delay).await {
                        break Ok(ReadEnd::Done);
                    }
                    continue;
                }
                Err(error) => break Err(error),
            };
            failures.reset();
            // An idle source may be one whose next answer fails as well.
            if filled != Filled::Idle {
                self.meter.source_works();
            }
            window.count(batch.len());
            batch.read_at = std::time::Instant::now();
            if !batch.is_empty() {
                // Fails once the worker has ended, which says why.
                let Ok(room) = self.room.clone().acquire_owned().await else { break Ok(ReadEnd::Done) };
                // Before it can be durable.
                self.meter.read(batch.len());
                if self.tasks.send(Task::Batch(Arc::new(batch), Some(room))).is_err() {
                    break Ok(ReadEnd::Done);
                }
            }
            let all_read = matches!(filled, Filled::CaughtUp | Filled::End);
            if filled == Filled::Lost {
                break Ok(ReadEnd::Lost);
            }
            if filled == Filled::End || (self.until_caught_up && all_read) {
                break Ok(ReadEnd::AllRead);
            }
            if let Some(until) = window.pause(filled != Filled::Records)
                && !self.pause(until).await
            {
                break Ok(ReadEnd::Done);
            }
        };
        // The worker may have ended, and says why.
        let _ = self.tasks.send(Task::End);
        result
    }

    /// Waits; `false` where reading is to end.
    async fn pause(&mut self, until: Instant) -> bool {
        loop {
            tokio::select! {
                () = self.stop.draining() => return false,
                Some(change) = self.changes.recv() => self.hand_over(change),
                () = tokio::time::sleep_until(until) => return true,
            }
        }
    }

    fn hand_over(&self, change: Custody) {
        // The worker may have ended; then the request goes, and with it whoever waits for the answer.
        let _ = self.tasks.send(Task::Custody(change));
    }
}

fn source_topic(config: &SourceConfig) -> Option<Arc<str>> {
    use crate::config::SourceEndpoint;
    match &config.endpoint {
        SourceEndpoint::Kafka(kafka) => Some(kafka.topic.as_str().into()),
        SourceEndpoint::Log(log) => Some(log.topic.as_str().into()),
        SourceEndpoint::Http(_) | SourceEndpoint::File(_) | SourceEndpoint::Generator(_) => None,
    }
}

/// The current interval of a trigger: how much of it is left, in records and in time.
struct Window {
    trigger: Option<Trigger>,
    began: Instant,
    read: usize,
}

impl Window {
    fn new(trigger: Option<Trigger>) -> Self {
        Self { trigger, began: Instant::now(), read: 0 }
    }

    /// Most records that the next batch may hold.
    fn room(&self, batch_records: usize) -> usize {
        match self.trigger.and_then(|trigger| trigger.records) {
            Some(records) => records.saturating_sub(self.read).clamp(1, batch_records),
            None => batch_records,
        }
    }

    fn count(&mut self, records: usize) {
        self.read += records;
    }

    /// When to read on, if not at once: the interval is used up by its number of records or, without one, by everything
    /// that was there.
    fn pause(&mut self, nothing_left: bool) -> Option<Instant> {
        let trigger = self.trigger?;
        let used_up = match trigger.records {
            Some(records) => self.read >= records,
            None => nothing_left && self.read > 0,
        };
        let now = Instant::now();
        if !used_up {
            if now >= self.began + trigger.interval {
                (self.began, self.read) = (now, 0);
            }
            return None;
        }
        let next = (self.began + trigger.interval).max(now);
        (self.began, self.read) = (next, 0);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_trigger_lets_through_its_records_once_in_an_interval() {
        let interval = Duration::from_secs(10);
        let mut window = Window::new(Some(Trigger { records: Some(100), interval }));
        let start = Instant::now();
        assert_eq!(window.room(64), 64);
        window.count(64);
        assert_eq!(window.pause(false), None);
        assert_eq!(window.room(64), 36);
        window.count(36);
        assert_eq!(window.pause(false), Some(start + interval));
        assert_eq!(window.room(64), 64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trigger_without_a_number_takes_what_is_there() {
        let interval = Duration::from_secs(10);
        let mut window = Window::new(Some(Trigger { records: None, interval }));
        let start = Instant::now();
        window.count(5);
        assert_eq!(window.pause(false), None);
        assert_eq!(window.pause(true), Some(start + interval));
    }
}
