//! The worker: one thread, one loop, over one pipeline's stages.
//!
//! Batches come in, what became of them goes out, in order, and bounded, so that a slow sink slows the reading. While one
//! batch is written the next one is in the stages, on top of state that is not durable yet. So the worker keeps what is
//! under way until the writer says that it is durable: if the sink refuses a record for good, the record's state writes
//! are undone and the batches behind it run again, as they may have been judged by them.
//!
//! Where batches wait, lanes begin them meanwhile (parsing, and the stages that keep nothing); this loop finishes them in
//! their order, so that what comes out is the same with any number of lanes.
//!
//! Whatever must happen between two batches with nothing under way (taking over partitions, giving them up) waits in the
//! same line as the batches.

mod ahead;
mod custody;
mod lanes;
mod swapping;
mod task;

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, mpsc};

use self::{
    ahead::{AHEAD_OF_LANE, Slot},
    lanes::Lanes,
    swapping::OnTrial,
};
pub(super) use self::{
    swapping::Swap,
    task::{Made, Mail, OwnStages, Task},
};
use super::{
    Meter, Stop,
    copying::Copying,
    standing::{News, Standing},
    tally::{sum, tally},
    versions::Versions,
};
use crate::{
    record::{Batch, Field, Positions},
    state::{Migrated, TopicError, TopicLog, Writes},
    transform::{Chain, ChainError, Processed},
};

/// A stage that is broken is tried again that often; another version of it is tried at once.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// What a worker is made of.
pub(super) struct Parts {
    pub chain: Chain,
    pub tasks: mpsc::UnboundedReceiver<Task>,
    pub made: mpsc::Sender<Made>,
    /// Where state moves with its partition, what restores it.
    pub topic: Option<Arc<TopicLog>>,
    /// Bounds the batches that wait; closed when the worker ends.
    pub room: Arc<Semaphore>,
    /// Its permits while none waits.
    pub room_for: usize,
    /// Threads that begin batches, this one among them.
    pub workers: usize,
    /// What the sink wants to know of each record.
    pub sink_fields: Vec<Field>,
    /// Where the pipeline resumes.
    pub resume: Positions,
    pub versions: Versions,
    pub meter: Meter,
    /// While it is told to stop, no state is restored: nobody reads the partitions any more.
    pub stop: Stop,
    pub standing: Standing,
    pub runtime: tokio::runtime::Handle,
}

/// See the module.
pub(super) struct Worker {
    parts: Parts,
    lanes: Lanes,
    /// Handed to the writer and not known to be durable, oldest first.
    under_way: VecDeque<UnderWay>,
    /// Begun by lanes or about to be, oldest first; all of them come after what is under way.
    ahead: VecDeque<Slot>,
    /// Of the batch that was begun last.
    number: u64,
    /// What came while a change waited for what is under way.
    waiting: VecDeque<Task>,
    run: u64,
    /// The version on probation.
    trial: Option<OnTrial>,
    /// What was written since the state was copied.
    copying: Option<Copying>,
    /// Up to where batches were run.
    reached: Positions,
}

struct UnderWay {
    batch: Arc<Batch>,
    writes: Arc<Vec<(Arc<str>, Writes)>>,
    /// Of a replay that has stages of its own.
    stages: Option<OwnStages>,
}

/// Instances of a chain's head that so many workers have use for.
pub(super) fn heads(workers: usize) -> usize {
    workers.saturating_sub(1) * AHEAD_OF_LANE
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
    /// A lane has ended in the middle of a batch.
    #[error("a lane has ended")]
    LaneGone,
    /// No lane can be started.
    #[error("cannot start a lane")]
    NoLane(#[from] std::io::Error),
}

impl Worker {
    /// Starts the lanes. `tasks` is where `parts.tasks` comes from.
    pub fn new(mut parts: Parts, tasks: &mpsc::UnboundedSender<Task>) -> Result<Self, WorkerError> {
        parts.chain.widen(heads(parts.workers))?;
        let lanes = Lanes::start(parts.versions.pipeline(), parts.workers.saturating_sub(1), &tasks.downgrade())?;
        let (under_way, ahead, waiting) = Default::default();
        let reached = parts.resume.clone();
        let (trial, copying) = (None, None);
        Ok(Self { parts, lanes, under_way, ahead, number: 0, waiting, run: 0, trial, copying, reached })
    }

    /// Runs until there are no more batches and all are durable, or a stage is broken, or the writer has ended.
    pub fn work(mut self) -> Result<(), WorkerError> {
        // What has to wait until nothing is under way; while it waits, later batches do.
        let mut barrier: Option<Task> = None;
        loop {
            self.catch_up()?;
            if self.under_way.is_empty()
                && self.ahead.is_empty()
                && let Some(due) = barrier.take()
            {
                match due {
                    Task::Custody(custody) => self.change(custody)?,
                    Task::Swap(swap) => self.swap(*swap),
                    Task::Letters(mail, room) => {
                        drop(room);
                        self.replay(mail)?;
                    }
                    _ => return Ok(()),
                }
                continue;
            }
            let waiting = if barrier.is_none() { self.waiting.pop_front() } else { None };
            let Some(task) = waiting.or_else(|| self.parts.tasks.blocking_recv()) else { return Ok(()) };
            match task {
                Task::Committed { refused } => self.committed(&refused)?,
                Task::Begun(begun) => {
                    self.begun(*begun);
                    self.finish_begun()?;
                }
                Task::LaneGone => return Err(WorkerError::LaneGone),
                later if barrier.is_some() => self.waiting.push_back(later),
                Task::Batch(batch, room) => {
                    drop(room);
                    self.begin(batch)?;
                }
                Task::Copy { stages, again, copied } => {
                    self.decide(true)?;
                    self.copy(&stages, again, copied);
                }
                Task::Swap(swap) if swap.takes_over.is_empty() => {
                    self.decide(true)?;
                    self.swap(*swap);
                }
                Task::ProbationOver(of) => {
                    if self.trial.as_ref().is_some_and(|on| on.id == of) {
                        self.decide(true)?;
                    }
                }
                due => {
                    self.decide(true)?;
                    barrier = Some(due);
                    self.hurry()?;
                }
            }
        }
    }

    /// Runs a batch. While a stage is broken, waits for another version of it, and tries again now and then.
    fn take_up(&mut self, batch: Arc<Batch>) -> Result<(), WorkerError> {
        loop {
            let error = match self.parts.chain.run(batch.clone()) {
                Ok(processed) => {
                    self.parts.meter.broken(None);
                    return self.ran(batch, processed);
                }
                Err(error) => error,
            };
            if self.trial.is_some() {
                self.put_back(&super::chain_of(&error))?;
                continue;
            }
            let why = super::chain_of(&error);
            tracing::error!(
                pipeline = self.parts.versions.pipeline(),
                "paused, nothing is lost: {why}; going on with another version of the plugin, or trying again in {TRY_AGAIN:?}"
            );
            self.parts.meter.broken(Some((&error.stage, &why)));
            self.parts.meter.waiting(Some(why));
            self.pause(error)?;
        }
    }

    /// Waits until there is reason to try again. What comes meanwhile waits as well.
    fn pause(&mut self, error: ChainError) -> Result<(), WorkerError> {
        let runtime = self.parts.runtime.clone();
        let until = tokio::time::Instant::now() + TRY_AGAIN;
        loop {
            // One that takes state over had to wait until nothing was under way.
            let is_swap = |task: &Task| matches!(task, Task::Swap(_));
            if self.under_way.is_empty()
                && let Some(at) = self.waiting.iter().position(is_swap)
                && let Some(Task::Swap(swap)) = self.waiting.remove(at)
            {
                self.swap(*swap);
                return Ok(());
            }
            let next = self.parts.tasks.recv();
            let Ok(task) = runtime.block_on(async { tokio::time::timeout_at(until, next).await }) else {
                return Ok(());
            };
            match task {
                Some(Task::Committed { refused }) => self.committed(&refused)?,
                Some(Task::Begun(begun)) => self.begun(*begun),
                Some(Task::LaneGone) => return Err(WorkerError::LaneGone),
                Some(Task::Swap(swap)) if swap.takes_over.is_empty() || self.under_way.is_empty() => {
                    self.swap(*swap);
                    return Ok(());
                }
                Some(Task::Copy { stages, again, copied }) => self.copy(&stages, again, copied),
                // The batch cannot be finished, and is read again at the next start.
                Some(Task::End) | None => return Err(error.into()),
                Some(later) => self.waiting.push_back(later),
            }
        }
    }

    fn ran(&mut self, batch: Arc<Batch>, processed: Processed) -> Result<(), WorkerError> {
        self.reached.merge(&processed.positions);
        let Some(OnTrial { trial, swap_took, .. }) = &mut self.trial else {
            return self.hand_over(batch, processed, None);
        };
        let begun = Instant::now();
        let judged = trial.judge(&mut self.parts.chain, batch.clone(), processed);
        self.parts.versions.held_up(std::mem::take(swap_took) + begun.elapsed());
        if let Some(processed) = judged {
            self.hand_over(batch, processed, None)?;
        }
        self.decide(false)
    }

    /// Runs the stages over dead letters. If those that were given for it are broken, the letters stay where they are.
    fn replay(&mut self, mail: Mail) -> Result<(), WorkerError> {
        let Mail { batch, stages, dry_run } = mail;
        let replay = batch.letters.as_ref().map_or(0, |letters| letters.replay);
        let ran = match &stages {
            Some(own) => {
                let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
                own.adopt(&mut self.parts.chain);
                let ran = own.project_for_sink(&self.parts.sink_fields).and_then(|()| own.run(batch.clone()));
                self.parts.chain.adopt(&mut own);
                ran
            }
            None if dry_run => self.parts.chain.run(batch.clone()),
            None => return self.take_up(batch),
        };
        match ran {
            Err(error) => {
                self.parts.standing.tell(replay, News::Broken(super::chain_of(&error)));
                Ok(())
            }
            Ok(processed) if dry_run => {
                self.parts.chain.undo(&processed.writes, |_| true);
                self.parts.standing.tell(replay, News::Done(sum(&tally(&processed, &[]))));
                Ok(())
            }
            Ok(processed) => self.hand_over(batch, processed, stages),
        }
    }

    fn hand_over(
        &mut self,
        batch: Arc<Batch>,
        mut processed: Processed,
        stages: Option<OwnStages>,
    ) -> Result<(), WorkerError> {
        if batch.letters.is_some() {
            // Their places were passed long ago.
            processed.positions = Positions::default();
        }
        if let Some(copying) = &mut self.copying {
            copying.note(&processed.writes);
        }
        self.under_way.push_back(UnderWay { batch, writes: processed.writes.clone(), stages });
        self.parts.made.blocking_send(Made::Batch { run: self.run, processed }).map_err(|_| WorkerError::WriterGone)
    }

    fn migrated(&mut self, migrated: Vec<Migrated>) -> Result<(), WorkerError> {
        if migrated.is_empty() {
            return Ok(());
        }
        self.parts.made.blocking_send(Made::Migrated(migrated)).map_err(|_| WorkerError::WriterGone)
    }

    fn committed(&mut self, refused: &[u32]) -> Result<(), WorkerError> {
        if !refused.is_empty() {
            // What is held back was judged after the refused record, too.
            self.decide(true)?;
        }
        let Some(oldest) = self.under_way.pop_front() else { return Ok(()) };
        if refused.is_empty() {
            return Ok(());
        }
        let later = std::mem::take(&mut self.under_way);
        for batch in later.iter().rev() {
            self.parts.chain.undo(&batch.writes, |_| true);
        }
        self.parts.chain.undo(&oldest.writes, |row| refused.contains(&row));
        self.run += 1;
        later.into_iter().try_for_each(|UnderWay { batch, stages, .. }| match stages {
            Some(_) => self.replay(Mail { batch, stages, dry_run: false }),
            None => self.take_up(batch),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The reader must not wait for room that nobody makes.
        self.parts.room.close();
    }
}
