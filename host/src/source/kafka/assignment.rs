//! Taking partitions over, in the reading thread.
//!
//! In: partitions that are ours from now on. Out: each is read from the right place. A position that cannot be read is never replaced in silence (see `start.rs`).

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::Consumer,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    context::Change,
    handover::Fault,
    reader::Reader,
    start::{Begin, Known, begin},
};
use crate::kafka::is_refusal;

/// How long each question about a new partition may take before it is asked again.
const ASK: Duration = Duration::from_secs(5);

impl Reader<'_> {
    /// Begins to read partitions at their positions. `false`: the broker did not answer, try again; unless the change
    /// is `superseded` by a later one.
    pub(super) fn take_over(&mut self, partitions: &[i32], superseded: bool) -> bool {
        let known = match self.known(partitions) {
            Ok(known) => known,
            Err(code) => {
                let message = format!("cannot ask for the positions of partitions {partitions:?}: {code}");
                self.consumer.context().log.error(code, &message);
                if is_refusal(code) {
                    self.fail(format!("topic `{}`, group `{}`: {code}", self.task.topic, self.task.group));
                } else if !superseded {
                    return false;
                }
                self.accept(&TopicPartitionList::new());
                return true;
            }
        };
        let (mut list, mut extents) = (TopicPartitionList::new(), BTreeMap::new());
        for (partition, known) in known {
            if let Some(committed) =
                known.committed.filter(|committed| *committed > known.changelog.unwrap_or(known.low))
            {
                let state =
                    known.changelog.map_or("nothing".to_owned(), |at| format!("records up to offset {at} alone"));
                tracing::warn!(
                    url = %self.task.url, group = %self.task.group, partition, committed,
                    "the group has read more of this partition than the state here knows of, which is {state} (another host \
                     read it, or the state is an older one): going on at the group's position, without what stages kept of \
                     what lies between"
                );
            }
            let at = match begin(known, self.task.start) {
                Begin::At(at) => at,
                Begin::AfterGap { at, expired } => {
                    tracing::warn!(
                        url = %self.task.url, partition, expired, resume = at - expired, low = at,
                        "{expired} records expired before they were read; going on with the oldest one left"
                    );
                    at
                }
                Begin::Beyond { position } => {
                    self.task.handover.fail(self.beyond(partition, position, known));
                    self.accept(&TopicPartitionList::new());
                    return true;
                }
            };
            // Fails only for negative offsets, which the broker does not give.
            list.add_partition_offset(&self.task.topic, partition, Offset::Offset(at)).ok();
            self.queue.forward(partition);
            self.next.insert(partition, at);
            extents.insert(partition, (at, known.high));
        }
        tracing::info!(url = %self.task.url, group = %self.task.group, begin = ?extents, "partitions assigned");
        self.generation = self.task.handover.assign(&extents);
        self.accept(&list);
        true
    }

    /// Finds out again where to read a partition whose place is gone.
    pub(super) fn take_over_again(&mut self, partition: i32) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.task.topic, partition);
        // Fails where the partition was revoked meanwhile; then it is not assigned again either.
        if self.next.contains_key(&partition) && self.consumer.incremental_unassign(&list).is_ok() {
            self.consumer.context().add(Change::Assign(vec![partition]));
        }
    }

    fn accept(&self, list: &TopicPartitionList) {
        if let Err(error) = self.consumer.incremental_assign(list) {
            self.fail(format!("cannot take over partitions of topic `{}`: {error}", self.task.topic));
        }
    }

    fn known(&self, partitions: &[i32]) -> Result<BTreeMap<i32, Known>, RDKafkaErrorCode> {
        let code = |error: KafkaError| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let committed = if partitions.is_empty() {
            TopicPartitionList::new()
        } else {
            self.consumer.committed_offsets(self.list(partitions), ASK).map_err(code)?
        };
        let lows = self.task.asker.offsets(&self.task.topic, partitions, Offset::Beginning, ASK)?;
        let highs = self.task.asker.offsets(&self.task.topic, partitions, Offset::End, ASK)?;
        let mut known = BTreeMap::new();
        for partition in partitions {
            let (Some(low), Some(high)) = (lows.get(partition), highs.get(partition)) else {
                return Err(RDKafkaErrorCode::UnknownPartition);
            };
            let committed = match committed.find_partition(&self.task.topic, *partition) {
                Some(element) => {
                    element.error().map_err(code)?;
                    element.offset().to_raw().filter(|offset| *offset >= 0)
                }
                None => None,
            };
            // What was read but is not durable yet counts only while the partition has stayed ours.
            let changelog = self.task.handover.durable(*partition).max(self.next.get(partition).copied());
            // Where state moves with its partition, the changelog is everybody's, and the group's word is only a hint.
            let committed = committed.filter(|_| !self.state_moves() || changelog.is_none());
            known.insert(*partition, Known { changelog, committed, low: *low, high: *high });
        }
        Ok(known)
    }

    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.task.topic, *partition);
        }
        list
    }

    fn beyond(&self, partition: i32, position: i64, known: Known) -> Fault {
        let (topic, group) = (&self.task.topic, &self.task.group);
        let said = |offset: Option<i64>| offset.map_or("none".to_owned(), |offset| offset.to_string());
        Fault {
            message: format!(
                "topic `{topic}` partition {partition}: the position to go on from is offset {position} (changelog: \
                 {}, group `{group}`: {}), but the partition ends at offset {}",
                said(known.changelog),
                said(known.committed),
                known.high
            ),
            hint: Some(
                "the topic was probably deleted and created again; to read the new one, remove the pipeline's state \
                 and name another `group`, or point `url` at the topic that was meant"
                    .to_owned(),
            ),
            retryable: false,
        }
    }
}
