//! What the reading thread asks of the pipeline when partitions come and go: to restore their state before they are
//! read, and to finish what was read of them before someone else does.
//!
//! Nothing waits here: the thread comes back until the answer is there, and serves the group meanwhile.

use std::time::Instant;

use rdkafka::{
    TopicPartitionList,
    consumer::{CommitMode, Consumer},
};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::reader::Reader;
use crate::{
    record::{Batch, Positions},
    source::Custody,
};

/// What a change of the assignment waits for.
pub(super) enum Pending {
    /// The state of the partitions.
    State(oneshot::Receiver<Positions>),
    /// State is restored; the partitions are not being read yet.
    Restored,
    /// What was read of the partitions becoming durable, until then.
    Drained(oneshot::Receiver<()>, Instant),
}

impl Reader<'_> {
    /// Whether each partition has to be taken over with its state.
    pub(super) fn state_moves(&self) -> bool {
        self.task.custodian.as_ref().is_some_and(|custodian| custodian.restores)
    }

    /// Whether the state of partitions is there; asks for it the first time.
    pub(super) fn restored(&mut self, partitions: &[i32]) -> bool {
        let Some(custodian) = self.task.custodian.as_ref().filter(|custodian| custodian.restores) else { return true };
        match &mut self.pending {
            Some(Pending::Restored) => true,
            Some(Pending::State(answer)) => match answer.try_recv() {
                Ok(positions) => {
                    self.task.handover.resume(partitions, &positions);
                    self.pending = Some(Pending::Restored);
                    true
                }
                // Closed: the pipeline has ended, and stops this thread next.
                Err(TryRecvError::Empty | TryRecvError::Closed) => false,
            },
            _ => {
                let (done, answer) = oneshot::channel();
                let request = Custody::TakeOver { partitions: partitions.to_vec(), done };
                // Nobody is there any more only if the pipeline has ended.
                let _ = custodian.requests.send(request);
                self.pending = Some(Pending::State(answer));
                false
            }
        }
    }

    /// Gives partitions up once all that was read of them is durable; at once where they are `lost` already. Returns
    /// whether it is done.
    pub(super) fn give_up(&mut self, partitions: &[i32], lost: bool) -> bool {
        if !matches!(self.pending, Some(Pending::Drained(..))) {
            self.forget(partitions);
            if let Some(custodian) = self.task.custodian.as_ref().filter(|_| !lost) {
                let (done, answer) = oneshot::channel();
                // Nobody is there any more only if the pipeline has ended; then nothing is under way.
                let _ = custodian.requests.send(Custody::GiveUp { done });
                self.pending = Some(Pending::Drained(answer, Instant::now() + custodian.deadline));
            }
        }
        let mut gone = lost;
        if let Some(Pending::Drained(answer, by)) = &mut self.pending {
            match answer.try_recv() {
                Err(TryRecvError::Empty) if Instant::now() < *by => return false,
                Err(TryRecvError::Empty) => gone = true,
                Ok(()) | Err(TryRecvError::Closed) => {}
            }
        }
        if gone && self.task.custodian.is_some() {
            self.task.handover.lose();
        }
        if !lost {
            self.commit(partitions, CommitMode::Sync);
        }
        tracing::info!(url = %self.task.url, group = %self.task.group, ?partitions, lost, drained = !gone, "partitions revoked");
        self.unassign(partitions);
        true
    }

    /// Reads no more of partitions, and drops what was read of them and not handed over.
    fn forget(&mut self, partitions: &[i32]) {
        self.generation = self.task.handover.revoke(partitions);
        for partition in partitions {
            self.next.remove(partition);
        }
        self.fetched.retain(|partition| !partitions.contains(&partition));
        if self.batch.partitions.iter().any(|partition| partitions.contains(partition)) {
            let mut kept = Batch::new(self.task.topic.clone());
            for row in 0..self.batch.len() {
                let record = self.batch.record(row);
                if !partitions.contains(&record.partition) {
                    kept.push(record);
                }
            }
            self.batch = kept;
        }
    }

    fn unassign(&self, partitions: &[i32]) {
        let mut list = TopicPartitionList::new();
        if let Ok(assigned) = self.consumer.assignment() {
            for element in assigned.elements().iter().filter(|element| partitions.contains(&element.partition())) {
                list.add_partition(element.topic(), element.partition());
            }
        }
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            self.fail(format!("cannot give up partitions {partitions:?}: {error}"));
        }
    }
}
