//! Batches ahead of what is under way: handed to lanes to be begun, finished here in their order.

use std::sync::Arc;

use super::{Task, Worker, WorkerError, lanes::Ahead};
use crate::{
    record::Batch,
    transform::{Begun, ChainError},
};

/// Batches that each lane is given at a time: the one that it begins, and one that waits, so that it never does.
pub(super) const AHEAD_OF_LANE: usize = 2;
/// Batches that may be begun and wait for one before them.
const MOST_BEGUN: usize = 4;

/// A batch that lanes have in hand, and what they made of it once they have.
pub(super) struct Slot {
    pub number: u64,
    pub batch: Arc<Batch>,
    pub begun: Option<Result<Begun, ChainError>>,
}

impl Worker {
    /// Takes up the next batch: at once where nothing else is to be done, else by a lane if one is free.
    pub(super) fn begin(&mut self, batch: Arc<Batch>) -> Result<(), WorkerError> {
        let none_waits = self.parts.room.available_permits() >= self.parts.room_for && self.waiting.is_empty();
        if self.ahead.is_empty() && (none_waits || self.trial.is_some()) {
            return self.take_up(batch);
        }
        self.number += 1;
        let lent = self.parts.chain.lend_head();
        let refused = lent.map(|head| self.lanes.begin(self.number, head, batch.clone()));
        let begun = match refused {
            Some(Ok(())) => None,
            Some(Err(head)) => {
                self.parts.chain.take_back(head);
                Some(self.parts.chain.begin(batch.clone()))
            }
            // They have enough to do: this thread is a lane, too.
            None => Some(self.parts.chain.begin(batch.clone())),
        };
        self.ahead.push_back(Slot { number: self.number, batch, begun });
        self.finish_begun()?;
        // Bounded: what this thread has begun itself waits for those before it.
        while self.ahead.iter().filter(|slot| slot.begun.is_some()).count() > MOST_BEGUN {
            match self.parts.tasks.blocking_recv() {
                Some(Task::Begun(begun)) => self.begun(*begun),
                Some(Task::LaneGone) => return Err(WorkerError::LaneGone),
                Some(Task::Committed { refused }) => self.committed(&refused)?,
                Some(later) => self.waiting.push_back(later),
                None => return Err(WorkerError::WriterGone),
            }
            self.finish_begun()?;
        }
        Ok(())
    }

    /// Takes in what lanes have begun and what is durable, before anything else that has come: batches in front of it would
    /// find no lane free.
    pub(super) fn catch_up(&mut self) -> Result<(), WorkerError> {
        while let Ok(task) = self.parts.tasks.try_recv() {
            match task {
                Task::Begun(begun) => self.begun(*begun),
                Task::LaneGone => return Err(WorkerError::LaneGone),
                Task::Committed { refused } => self.committed(&refused)?,
                later => self.waiting.push_back(later),
            }
        }
        self.finish_begun()
    }

    /// Notes what a lane made of a batch. The stages may have been swapped since; then the batch was taken back.
    pub(super) fn begun(&mut self, ahead: Ahead) {
        let Ahead { number, head, begun } = ahead;
        if let Some(slot) = self.ahead.iter_mut().find(|slot| slot.number == number) {
            slot.begun = Some(begun);
            self.parts.chain.take_back(head);
        }
    }

    /// Finishes, in order, what has been begun.
    pub(super) fn finish_begun(&mut self) -> Result<(), WorkerError> {
        while let Some(begun) = self.ahead.front_mut().and_then(|slot| slot.begun.take()) {
            let Some(Slot { batch, .. }) = self.ahead.pop_front() else { return Ok(()) };
            match begun.and_then(|begun| self.parts.chain.finish(begun)) {
                Ok(processed) => self.ran(batch, processed)?,
                // It is as if it had never been begun; a second failure says what is wrong.
                Err(_) => self.take_up(batch)?,
            }
        }
        Ok(())
    }
}
