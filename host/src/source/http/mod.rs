//! Polls an HTTP address and makes a record of each item of the answers.
//!
//! In come answers, out go batches of their items, byte for byte. A request that fails is an error that may pass: it is
//! made again after growing random waits, or as long as the server asks for. An answer cannot be read again, so offsets only
//! count records, on from where the pipeline left off. What waits (a request, a pause, the rest of an answer) is kept
//! in the source, so nothing is lost when a call of `fill` is given up.

mod mask;
mod request;
mod retry_after;
mod split;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::future::BoxFuture;
use tokio::time::Instant;

use self::request::{Answer, HttpRequest, Request, RequestError};
use super::{BatchLimits, Committer, Filled, NoCommit, OpenContext, Source, SourceError};
use crate::{
    config::HttpSource,
    record::{Batch, Headers, Record},
};

/// The first wait after a failure is at most this long; it doubles from then on.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// HTTP has no partitions.
const PARTITION: i32 = 0;

/// An address being polled.
pub struct HttpReader {
    /// The address without secrets.
    url: String,
    topic: Arc<str>,
    every: Duration,
    retry_max_delay: Duration,
    requests: Box<dyn Request>,
    phase: Phase,
    /// When the request that is under way, or was last, began.
    began: Instant,
    /// Offset of the next record.
    next_offset: i64,
    /// Waits after failures; `None` after a success.
    backoff: Option<ExponentialBackoff>,
    /// Whether the last answer was returned whole, and not yet reported as such.
    answered: bool,
    /// Requests that were made.
    polls: u64,
}

enum Phase {
    /// Nothing until then.
    Pause { until: Instant, failed: bool },
    /// A request is under way.
    Asking(BoxFuture<'static, Result<Answer, RequestError>>),
    /// An answer from that time (Unix milliseconds), and its first record that was not returned.
    Answered { answer: Answer, at_ms: i64, next: usize },
}

/// Prepares to poll; makes no request yet. Fails where the address or a header cannot be used.
pub async fn open(config: &HttpSource, context: &OpenContext) -> Result<HttpReader, SourceError> {
    let requests = HttpRequest::new(config).map_err(|message| SourceError {
        url: context.display.clone(),
        message,
        hint: None,
        retryable: false,
        retry_in: None,
    })?;
    Ok(HttpReader::new(config, context, Box::new(requests)))
}

impl HttpReader {
    fn new(config: &HttpSource, context: &OpenContext, requests: Box<dyn Request>) -> Self {
        let url = mask::mask(&config.url);
        let now = Instant::now();
        Self {
            topic: url.as_str().into(),
            url,
            every: config.every,
            retry_max_delay: config.retry_max_delay,
            requests,
            phase: Phase::Pause { until: now, failed: false },
            began: now,
            next_offset: context.resume.next_offset(PARTITION).unwrap_or(0),
            backoff: None,
            answered: false,
            polls: 0,
        }
    }

    /// Appends records of the answer until a limit is reached; returns the first one that was not.
    fn append(&mut self, answer: &Answer, at_ms: i64, first: usize, batch: &mut Batch, limits: &BatchLimits) -> usize {
        for (row, range) in answer.records.iter().enumerate().skip(first) {
            let value = answer.body.get(range.clone()).unwrap_or_default();
            let full = batch.len() >= limits.records || batch.bytes() + value.len() > limits.bytes;
            if full && !batch.is_empty() {
                return row;
            }
            batch.push(Record {
                key: None,
                value: Some(value),
                headers: Headers::default(),
                timestamp_ms: at_ms,
                partition: PARTITION,
                offset: self.next_offset,
            });
            self.next_offset += 1;
        }
        answer.records.len()
    }

    /// Decides how long to wait after a failure.
    fn failed(&mut self, error: &RequestError) -> SourceError {
        let backoff = self.backoff.get_or_insert_with(|| {
            ExponentialBuilder::new()
                .with_min_delay(FIRST_DELAY.min(self.retry_max_delay))
                .with_max_delay(self.retry_max_delay)
                .without_max_times()
                .build()
        });
        // Anything up to the delay, so that many hosts do not come back together.
        let longest = backoff.next().unwrap_or(self.retry_max_delay);
        let mut wait = longest.mul_f64(rand::random::<f64>());
        if let RequestError::Status { retry_after: Some(asked), .. } = error {
            wait = *asked;
        }
        // Also for a caller that does not wait.
        self.phase = Phase::Pause { until: Instant::now() + wait, failed: true };
        let message = format!("the poll failed: {error}");
        SourceError { url: self.url.clone(), message, hint: None, retryable: true, retry_in: Some(wait) }
    }
}

impl Source for HttpReader {
    fn fill<'a>(
        &'a mut self,
        batch: &'a mut Batch,
        limits: &'a BatchLimits,
    ) -> BoxFuture<'a, Result<Filled, SourceError>> {
        Box::pin(async move {
            batch.topic = self.topic.clone();
            let deadline = Instant::now() + limits.idle;
            loop {
                if std::mem::take(&mut self.answered) {
                    return Ok(Filled::CaughtUp);
                }
                match &mut self.phase {
                    Phase::Pause { until, failed } => {
                        let (until, failed) = (*until, *failed);
                        tokio::time::sleep_until(until.min(deadline)).await;
                        if until > deadline {
                            // After a success there is nothing more to read until the next poll.
                            return Ok(if failed || self.polls == 0 { Filled::Idle } else { Filled::CaughtUp });
                        }
                        self.polls += 1;
                        self.began = Instant::now();
                        self.phase = Phase::Asking(self.requests.request());
                    }
                    Phase::Asking(request) => match tokio::time::timeout_at(deadline, request).await {
                        Err(_) => return Ok(Filled::Idle),
                        Ok(Ok(answer)) => {
                            self.backoff = None;
                            self.phase = Phase::Answered { answer, at_ms: now_ms(), next: 0 };
                        }
                        Ok(Err(error)) => return Err(self.failed(&error)),
                    },
                    Phase::Answered { .. } => {
                        let pause = Phase::Pause { until: self.began + self.every, failed: false };
                        if let Phase::Answered { answer, at_ms, next } = std::mem::replace(&mut self.phase, pause) {
                            let next = self.append(&answer, at_ms, next, batch, limits);
                            if next < answer.records.len() {
                                self.phase = Phase::Answered { answer, at_ms, next };
                            } else {
                                self.answered = true;
                            }
                        }
                        if !batch.is_empty() {
                            return Ok(Filled::Records);
                        }
                    }
                }
            }
        })
    }

    fn committer(&self) -> Box<dyn Committer> {
        Box::new(NoCommit)
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
