//! What librdkafka calls back: its messages, and the rebalances of the group.
//!
//! A rebalance is only written down here. The reading thread carries it out in its own loop, where it may take its
//! time: librdkafka waits for that, so partitions can be drained before they are given up.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};

use crate::kafka::BrokerLog;

/// A change of the assignment that has to be carried out.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// These partitions are ours from now on.
    Assign(Vec<i32>),
    /// These have to be given up. `lost`: they are gone already, and others may have them.
    Revoke { partitions: Vec<i32>, lost: bool },
}

/// See the module.
pub(super) struct ReaderContext {
    pub(super) log: BrokerLog,
    changes: Mutex<VecDeque<Change>>,
    /// The loop that carries out changes has ended.
    closing: AtomicBool,
}

impl ReaderContext {
    pub(super) fn new(url: &str) -> Self {
        Self { log: BrokerLog::new(url), changes: Mutex::default(), closing: AtomicBool::new(false) }
    }

    /// The oldest change, and whether more come after it.
    pub(super) fn first_change(&self) -> Option<(Change, bool)> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.front().map(|change| (change.clone(), changes.len() > 1))
    }

    /// Says that the oldest change is carried out.
    pub(super) fn done(&self) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    }

    pub(super) fn add(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }

    /// From now on partitions are given up at once, as nobody reads them.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

impl ClientContext for ReaderContext {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            // The end of a partition is an event, not an error.
            None | Some(RDKafkaErrorCode::PartitionEOF) => {}
            Some(code) => self.log.error(code, reason),
        }
    }
}

impl ConsumerContext for ReaderContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = list.elements().iter().map(|element| element.partition()).collect();
        let assigned = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if !self.closing.load(Ordering::Relaxed) {
            self.add(if assigned {
                Change::Assign(partitions)
            } else {
                Change::Revoke { partitions, lost: consumer.assignment_lost() }
            });
            return;
        }
        let answer = if assigned {
            consumer.incremental_assign(&TopicPartitionList::new())
        } else {
            consumer.incremental_unassign(list).or_else(|_| consumer.unassign())
        };
        if let Err(error) = answer {
            self.log.log("close", &format!("the last rebalance was refused: {error}"));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(KafkaError::ConsumerCommit(code)) = result
            && code != RDKafkaErrorCode::NoOffset
        {
            self.log.error(code, &format!("the group's offsets were not committed (the changelog has them): {code}"));
        }
    }
}
