//! librdkafka's messages: its log at debug level, its errors as warnings, of which one kind is repeated at most every
//! half minute.
//!
//! librdkafka reports a broker that is down at every attempt to connect, several times a second. Nothing is dropped
//! in silence: the next warning of the kind says how many were held back.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};

/// Time between two warnings of the same kind.
const REPEAT_AFTER: Duration = Duration::from_secs(30);

/// Where the messages of one client go.
pub(crate) struct BrokerLog {
    /// What the messages are about: the source or the sink, without secrets.
    url: String,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    kinds: Vec<Kind>,
    last: Option<String>,
}

struct Kind {
    code: RDKafkaErrorCode,
    warned: Instant,
    held_back: u32,
}

impl BrokerLog {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), seen: Mutex::default() }
    }

    pub(crate) fn log(&self, facility: &str, message: &str) {
        tracing::debug!(url = %self.url, facility, "{message}");
    }

    /// Reports an error, unless one of its kind was reported just before.
    pub(crate) fn error(&self, code: RDKafkaErrorCode, reason: &str) {
        if let Some(held_back) = self.admit(code, reason, Instant::now()) {
            tracing::warn!(url = %self.url, held_back, "kafka: {reason}");
        }
    }

    /// The last error that librdkafka told of, in its words.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// `None` where the error is held back; otherwise how many of its kind were.
    fn admit(&self, code: RDKafkaErrorCode, reason: &str, now: Instant) -> Option<u32> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // "all brokers down" follows every reason why they are, and says less.
        if code != RDKafkaErrorCode::AllBrokersDown || seen.last.is_none() {
            seen.last = Some(reason.to_owned());
        }
        let Some(kind) = seen.kinds.iter_mut().find(|kind| kind.code == code) else {
            seen.kinds.push(Kind { code, warned: now, held_back: 0 });
            return Some(0);
        };
        if now.duration_since(kind.warned) < REPEAT_AFTER {
            kind.held_back = kind.held_back.saturating_add(1);
            return None;
        }
        kind.warned = now;
        Some(std::mem::take(&mut kind.held_back))
    }
}

/// The context of a client that is used for a moment and must not warn of anything: its errors are only kept.
pub(crate) struct Quiet(pub(crate) BrokerLog);

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.0.admit(code, reason, Instant::now());
        }
    }
}

impl ConsumerContext for Quiet {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_repeated_after_half_a_minute_with_the_number_held_back() {
        let log = BrokerLog::new("kafka://b/t");
        let (code, start) = (RDKafkaErrorCode::BrokerTransportFailure, Instant::now());
        assert_eq!(log.admit(code, "refused", start), Some(0));
        assert_eq!(log.admit(code, "refused", start + Duration::from_secs(1)), None);
        assert_eq!(log.admit(code, "refused", start + Duration::from_secs(29)), None);
        assert_eq!(log.admit(RDKafkaErrorCode::AllBrokersDown, "1/1 down", start), Some(0));
        assert_eq!(log.admit(code, "refused", start + Duration::from_secs(31)), Some(2));
        assert_eq!(log.last_error().as_deref(), Some("refused"));
    }
}
