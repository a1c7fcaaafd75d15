//! Delivery reports: how many rows of the current attempt are still under way, and which of them failed.
//!
//! Every record carries one number through librdkafka, made of the attempt and the row, so that a report costs no
//! allocation and a late one, of an attempt that was given up, is never counted for another.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{DeliveryResult, ProducerContext},
};
use tokio::sync::Notify;

use crate::kafka::BrokerLog;

const _: () = assert!(usize::BITS == 64, "a record's number is an attempt and a row of 32 bits each");

/// A row that was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Undelivered {
    pub(super) row: u32,
    pub(super) code: RDKafkaErrorCode,
    /// librdkafka did not even take it, so the reason is the row's own.
    pub(super) refused: bool,
}

#[derive(Default)]
struct Tally {
    attempt: u32,
    under_way: usize,
    failed: Vec<Undelivered>,
}

/// What librdkafka calls back.
pub(super) struct Deliveries {
    pub(super) log: BrokerLog,
    tally: Mutex<Tally>,
    /// Told when the last row has been reported.
    pub(super) done: Notify,
}

impl Deliveries {
    pub(super) fn new(url: &str) -> Self {
        Self { log: BrokerLog::new(url), tally: Mutex::default(), done: Notify::new() }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an attempt to write `rows` rows; reports of earlier ones count no more.
    pub(super) fn begin(&self, rows: usize) -> u32 {
        let mut tally = self.tally();
        tally.attempt = tally.attempt.wrapping_add(1);
        tally.under_way = rows;
        tally.failed.clear();
        tally.attempt
    }

    /// The number that a row's record carries.
    pub(super) fn number(attempt: u32, row: u32) -> usize {
        ((attempt as usize) << 32) | row as usize
    }

    /// Reports a row; returns whether it was the last one under way.
    fn report(&self, number: usize, failure: Option<RDKafkaErrorCode>, refused: bool) -> bool {
        let mut tally = self.tally();
        if number >> 32 != tally.attempt as usize {
            return false;
        }
        tally.under_way = tally.under_way.saturating_sub(1);
        if let Some(code) = failure {
            tally.failed.push(Undelivered { row: number as u32, code, refused });
        }
        tally.under_way == 0
    }

    /// Reports a row that librdkafka did not even take.
    pub(super) fn refuse(&self, attempt: u32, row: u32, code: RDKafkaErrorCode) {
        self.report(Self::number(attempt, row), Some(code), true);
    }

    /// The rows that failed, once all have been reported.
    pub(super) fn result(&self) -> Option<Vec<Undelivered>> {
        let mut tally = self.tally();
        (tally.under_way == 0).then(|| std::mem::take(&mut tally.failed))
    }
}

impl ClientContext for Deliveries {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.log.error(code, reason);
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let failure = match result {
            Ok(_) => None,
            Err((error, _)) => Some(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        if self.report(number, failure, false) {
            self.done.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_an_earlier_attempt_do_not_count() {
        let deliveries = Deliveries::new("kafka://b/t");
        let (timeout, bad) = (RDKafkaErrorCode::MessageTimedOut, RDKafkaErrorCode::InvalidTimestamp);
        let first = deliveries.begin(2);
        assert!(!deliveries.report(Deliveries::number(first, 0), None, false));
        let second = deliveries.begin(1);
        assert!(!deliveries.report(Deliveries::number(first, 1), Some(timeout), false));
        assert_eq!(deliveries.result(), None);
        assert!(deliveries.report(Deliveries::number(second, 7), Some(bad), false));
        assert_eq!(deliveries.result(), Some(vec![Undelivered { row: 7, code: bad, refused: false }]));
    }
}
