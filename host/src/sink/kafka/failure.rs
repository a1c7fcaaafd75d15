//! From the rows that librdkafka could not deliver to the failures that a sink reports: pure decisions.
//!
//! They keep the order of a key. librdkafka's idempotent producer delivers the records of a partition in order, but
//! after one has timed out it goes on with the next. So every later row with the key of a row that is to be retried
//! is reported as well, even if it was delivered: sent again after the other one, it is again the key's last record.

use std::{borrow::Cow, collections::HashSet};

use rdkafka::error::RDKafkaErrorCode as Code;

use super::delivery::Undelivered;
use crate::{
    kafka::is_refusal,
    sink::{Failure, WriteBatch},
};

/// The failures of one attempt, ascending by row. `alone`: the attempt sent one row at a time.
pub(super) fn failures(batch: &WriteBatch, rows: &[u32], failed: &[Undelivered], alone: bool) -> Vec<Failure> {
    if failed.is_empty() {
        return Vec::new();
    }
    let mut failed = failed.to_vec();
    failed.sort_unstable_by_key(|failed| failed.row);
    let mut failures = Vec::with_capacity(failed.len());
    let mut waiting_keys: HashSet<&[u8]> = HashSet::new();
    for row in rows {
        let key = batch.record(*row).key;
        let found = failed.binary_search_by_key(row, |failed| failed.row).ok().and_then(|at| failed.get(at));
        let failure = match found {
            Some(failed) => judge(*failed, alone),
            None if key.is_some_and(|key| waiting_keys.contains(key)) => Failure {
                row: *row,
                retryable: true,
                code: "after_failed",
                detail: "delivered, but an earlier record with its key was not; both are sent again in order"
                    .to_owned(),
            },
            None => continue,
        };
        if failure.retryable {
            waiting_keys.extend(key);
        }
        failures.push(failure);
    }
    failures
}

fn judge(Undelivered { row, code, refused }: Undelivered, alone: bool) -> Failure {
    let (retryable, name): (bool, &'static str) = match code {
        // A broker refuses a whole message set for its size; only a row that was sent alone is known to be too large.
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
            (!alone && !refused, "too_large")
        }
        Code::InvalidTimestamp => (false, "bad_timestamp"),
        Code::InvalidRecord => (false, "bad_record"),
        Code::InvalidTopic => (false, "bad_topic"),
        Code::MessageTimedOut => (true, "timeout"),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => (true, "no_topic"),
        // Someone can allow it; until then it is not the record's fault.
        code if is_refusal(code) => (true, "not_allowed"),
        _ => (true, "unavailable"),
    };
    let detail: Cow<'static, str> = match code {
        Code::MessageTimedOut => "not acknowledged in time".into(),
        code => code.to_string().into(),
    };
    Failure { row, retryable, code: name, detail: detail.into_owned() }
}

/// Whether rows of an attempt were refused for the size of what they were sent with, and have to be sent alone.
pub(super) fn needs_single(failed: &[Undelivered]) -> bool {
    failed.iter().any(|Undelivered { code, refused, .. }| {
        let for_size =
            matches!(code, Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize);
        for_size && !refused
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        record::{Batch, Headers, Record},
        sink::WriteBatch,
    };

    fn undelivered(row: u32, code: Code) -> Undelivered {
        Undelivered { row, code, refused: false }
    }

    fn batch(keys: &[Option<&str>]) -> WriteBatch {
        let mut batch = Batch::new("t".into());
        for (offset, key) in keys.iter().enumerate() {
            let headers = Headers::default();
            let key = key.map(str::as_bytes);
            batch.push(Record { key, value: None, headers, timestamp_ms: -1, partition: 0, offset: offset as i64 });
        }
        WriteBatch::whole(batch)
    }

    #[test]
    fn later_rows_of_a_waiting_key_are_sent_again_after_it() {
        let batch = batch(&[Some("a"), Some("b"), Some("a"), None, Some("b")]);
        let failures = failures(&batch, &[0, 1, 2, 3, 4], &[undelivered(1, Code::MessageTimedOut)], false);
        let seen: Vec<_> = failures.iter().map(|f| (f.row, f.retryable, f.code)).collect();
        assert_eq!(seen, [(1, true, "timeout"), (4, true, "after_failed")]);
    }

    #[test]
    fn a_row_without_a_key_waits_for_nobody() {
        let batch = batch(&[None, None]);
        assert_eq!(failures(&batch, &[0, 1], &[undelivered(0, Code::MessageTimedOut)], false).len(), 1);
    }

    #[test]
    fn a_row_that_is_never_taken_holds_nobody_up() {
        let batch = batch(&[Some("a"), Some("a")]);
        let failures = failures(&batch, &[0, 1], &[undelivered(0, Code::InvalidTimestamp)], false);
        assert_eq!(failures.len(), 1);
        assert!(!failures.first().unwrap().retryable);
    }

    #[test]
    fn too_large_is_final_only_for_a_row_sent_alone_or_never_sent() {
        let batch = batch(&[Some("a")]);
        let failed = [undelivered(0, Code::MessageSizeTooLarge)];
        assert!(needs_single(&failed));
        assert!(failures(&batch, &[0], &failed, false).first().unwrap().retryable);
        assert!(!failures(&batch, &[0], &failed, true).first().unwrap().retryable);
        let refused = [Undelivered { row: 0, code: Code::MessageSizeTooLarge, refused: true }];
        assert!(!needs_single(&refused));
        assert!(!failures(&batch, &[0], &refused, false).first().unwrap().retryable);
    }
}
