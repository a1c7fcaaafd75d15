//! The worker: one thread, one loop, over one pipeline's stages.
//!
//! Batches come in, what became of them goes out, in order, and bounded, so that a slow sink slows the reading. While one
//! batch is written the next one is in the stages, on top of state that is not durable yet. So the worker keeps what is
//! under way until the writer says that it is durable: if the sink refuses a record for good, the record's state writes
//! are undone and the batches behind it run again, as they may have been judged by them.
//!
//! Whatever must happen between two batches with nothing under way (taking over partitions, giving them up) waits in the
//! same line as the batches.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    record::{Batch, Positions},
    source::Custody,
    state::{Owned, TopicError, TopicLog, Writes},
    transform::{Chain, ChainError, Processed},
};

/// What the worker is asked to do.
pub(super) enum Task {
    /// Run the stages over a batch. The permit, given back when it is taken up, bounds how many wait.
    Batch(Arc<Batch>, OwnedSemaphorePermit),
    /// The oldest batch under way is durable, but for these records, which the sink refused for good.
    Committed {
        /// Indexes in the source batch.
        refused: Vec<u32>,
    },
    /// Partitions come or go.
    Custody(Custody),
    /// No more batches will come; end once all that is under way is durable.
    End,
}

/// What the worker hands to the writer.
pub(super) enum Made {
    /// A batch to write. One of an earlier `run` than the writer's is void: it is made again.
    Batch {
        /// How often batches had to run again so far.
        run: u64,
        /// The batch.
        processed: Processed,
    },
    /// These partitions are ours from now on.
    TakenOver(Vec<Owned>),
}

/// See the module.
pub(super) struct Worker {
    chain: Chain,
    tasks: mpsc::UnboundedReceiver<Task>,
    made: mpsc::Sender<Made>,
    /// Where state moves with its partition, what restores it.
    topic: Option<Arc<TopicLog>>,
    /// Handed to the writer and not known to be durable, oldest first.
    under_way: VecDeque<UnderWay>,
    /// What came while a change waited for what is under way.
    waiting: VecDeque<Task>,
    run: u64,
    room: Arc<Semaphore>,
}

struct UnderWay {
    batch: Arc<Batch>,
    writes: Arc<Vec<Writes>>,
}

/// Why the worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    /// A stage is broken for good.
    #[error(transparent)]
    Stage(#[from] ChainError),
    /// The state of a partition cannot be restored.
    #[error(transparent)]
    State(#[from] TopicError),
    /// The writer has gone, and says why.
    #[error("the writer has ended")]
    WriterGone,
}

impl Worker {
    /// `room` bounds the batches that wait; it is closed when the worker ends.
    pub fn new(
        chain: Chain,
        tasks: mpsc::UnboundedReceiver<Task>,
        made: mpsc::Sender<Made>,
        topic: Option<Arc<TopicLog>>,
        room: Arc<Semaphore>,
    ) -> Self {
        Self { chain, tasks, made, topic, under_way: VecDeque::new(), waiting: VecDeque::new(), run: 0, room }
    }

    /// Runs until there are no more batches and all are durable, or a stage is broken, or the writer has ended.
    pub fn work(mut self) -> Result<(), WorkerError> {
        // What has to wait until nothing is under way; while it waits, later batches do.
        let mut barrier: Option<Task> = None;
        loop {
            if self.under_way.is_empty()
                && let Some(due) = barrier.take()
            {
                let Task::Custody(custody) = due else { return Ok(()) };
                self.change(custody)?;
                continue;
            }
            let waiting = if barrier.is_none() { self.waiting.pop_front() } else { None };
            let Some(task) = waiting.or_else(|| self.tasks.blocking_recv()) else { return Ok(()) };
            match task {
                Task::Committed { refused } => self.committed(&refused)?,
                later if barrier.is_some() => self.waiting.push_back(later),
                Task::Batch(batch, room) => {
                    drop(room);
                    self.process(batch)?;
                }
                due => barrier = Some(due),
            }
        }
    }

    fn process(&mut self, batch: Arc<Batch>) -> Result<(), WorkerError> {
        let processed = self.chain.run(batch.clone())?;
        self.under_way.push_back(UnderWay { batch, writes: processed.writes.clone() });
        self.made.blocking_send(Made::Batch { run: self.run, processed }).map_err(|_| WorkerError::WriterGone)
    }

    fn committed(&mut self, refused: &[u32]) -> Result<(), WorkerError> {
        let Some(oldest) = self.under_way.pop_front() else { return Ok(()) };
        if refused.is_empty() {
            return Ok(());
        }
        let later = std::mem::take(&mut self.under_way);
        for batch in later.iter().rev() {
            self.chain.undo(&batch.writes, |_| true);
        }
        self.chain.undo(&oldest.writes, |row| refused.contains(&row));
        self.run += 1;
        later.into_iter().try_for_each(|batch| self.process(batch.batch))
    }

    /// Carries out a change; nothing is under way. The source may have gone: then nobody waits for the answer.
    fn change(&mut self, change: Custody) -> Result<(), WorkerError> {
        match change {
            Custody::GiveUp { done } => {
                let _ = done.send(());
            }
            Custody::TakeOver { partitions, done } => {
                let Some(topic) = self.topic.clone() else {
                    let _ = done.send(Positions::default());
                    return Ok(());
                };
                let made = &self.made;
                let gone = || made.is_closed();
                let owned = self.chain.with_states(|states| topic.take_over(&partitions, states, &gone))?;
                let next = owned.iter().filter_map(|owned| Some((owned.partition, owned.next?))).collect();
                self.made.blocking_send(Made::TakenOver(owned)).map_err(|_| WorkerError::WriterGone)?;
                let _ = done.send(next);
            }
        }
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The reader must not wait for room that nobody makes.
        self.room.close();
    }
}
