//! The hand on a running pipeline: other versions of its stages, while it runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{
    Swaps, chain_of,
    standing::Standing,
    worker::{self, Swap, Task},
};
use crate::{
    config::Probation,
    transform::{Chain, ChainError, StageSpec},
};

/// How often what was written meanwhile is copied before the rest is left for the moment of the swap.
const COPIES: usize = 8;
/// So many entries are handed over within a millisecond or two.
const LITTLE: usize = 4096;

/// Comes when the probation of swapped stages is over; an error says why they were put back.
pub type Verdict = oneshot::Receiver<Result<(), String>>;

/// Cheap to clone; all clones are the same hand.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Mutex<Inner>>,
    standing: Standing,
}

struct Inner {
    stages: Vec<StageSpec>,
    /// The worker, while there is one. Weak: it ends when reader and writer have gone, and a hand on it is neither.
    tasks: Option<mpsc::WeakUnboundedSender<Task>>,
    /// Bounds the batches that wait for it.
    room: Arc<Semaphore>,
    workers: usize,
    swaps: u64,
    figures: Swaps,
    /// Version of the state of each stage.
    state_versions: BTreeMap<String, u32>,
}

impl Control {
    /// For a pipeline that begins with these stages, on so many threads.
    pub fn new(stages: Vec<StageSpec>, workers: usize) -> Self {
        let (room, state_versions) = (Arc::new(Semaphore::new(0)), BTreeMap::new());
        let figures = Swaps::default();
        let inner = Inner { stages, tasks: None, room, workers, swaps: 0, figures, state_versions };
        Self { inner: Arc::new(Mutex::new(inner)), standing: Standing::default() }
    }

    /// The stages that run, or that the pipeline's next life begins with.
    pub fn stages(&self) -> Vec<StageSpec> {
        self.inner().stages.clone()
    }

    /// How often they were changed, and what came of it.
    pub fn figures(&self) -> Swaps {
        self.inner().figures.clone()
    }

    /// Counts a candidate that was refused before it came as far as [`Control::swap`].
    pub fn refused(&self, why: &str) {
        self.inner().figures.refuse(why);
    }

    /// A worker is there, made with the stages of `swaps` swaps; `false` where there have been more since.
    pub(super) fn attach(
        &self,
        tasks: &mpsc::UnboundedSender<Task>,
        room: &Arc<Semaphore>,
        chain: &Chain,
        swaps: u64,
    ) -> bool {
        let mut inner = self.inner();
        inner.room = room.clone();
        inner.state_versions = chain.state_versions();
        inner.tasks = (inner.swaps == swaps).then(|| tasks.downgrade());
        inner.swaps == swaps
    }

    pub(super) fn detach(&self) {
        self.inner().tasks = None;
        self.standing.end();
    }

    /// Where the pipeline stands.
    pub(super) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The way to the worker, while there is one, and what bounds the batches that wait for it.
    pub(super) fn worker(&self) -> Option<(mpsc::WeakUnboundedSender<Task>, Arc<Semaphore>)> {
        let inner = self.inner();
        Some((inner.tasks.clone()?, inner.room.clone()))
    }

    /// Refuses stages that cannot work on the state that is kept, beside those that run.
    pub(super) fn accepts(&self, chain: &Chain) -> Result<(), String> {
        let state_versions = chain.state_versions();
        for (stage, before) in &self.inner().state_versions {
            if let Some(now) = state_versions.get(stage).filter(|now| *now != before) {
                return Err(format!(
                    "stage `{stage}`: the plugin is made for state of version {now}, and the running one keeps version \
                     {before}; swap it in first, and replay then"
                ));
            }
        }
        Ok(())
    }

    /// How often stages were swapped.
    pub(super) fn swaps(&self) -> u64 {
        self.inner().swaps
    }

    /// Makes the stages ready and swaps them in between two batches. The answer comes when their probation is over: an error
    /// says why they were put back. Fails, with the reason, where the ones before run on.
    pub async fn swap(&self, stages: Vec<StageSpec>, probation: Probation) -> Result<Verdict, String> {
        let result = self.try_swap(stages, probation).await;
        match &result {
            Ok(_) => self.inner().figures.swapped += 1,
            Err(why) => self.refused(why),
        }
        result
    }

    async fn try_swap(&self, stages: Vec<StageSpec>, probation: Probation) -> Result<Verdict, String> {
        let workers = self.inner().workers;
        // All instances here, so that no batch waits for one to be made.
        let ready = tokio::task::block_in_place(|| {
            let mut chain = Chain::new(stages.clone())?;
            chain.widen(worker::heads(workers))?;
            Ok(chain)
        });
        let mut chain = ready.map_err(|error: ChainError| chain_of(&error))?;
        let state_versions = chain.state_versions();
        let takes_over = self.older(&state_versions)?;
        self.copy(&mut chain, &takes_over).await?;
        let (swapped, is_swapped) = oneshot::channel();
        let (done, decided) = oneshot::channel();
        let (verdict, answer) = oneshot::channel();
        let (id, tasks, before) = {
            let mut inner = self.inner();
            inner.swaps += 1;
            (inner.swaps, inner.tasks.clone(), (inner.stages.clone(), inner.state_versions.clone()))
        };
        let swap = Task::Swap(Box::new(Swap { id, chain, takes_over, probation, swapped, done }));
        let is_sent =
            |tasks: &mpsc::WeakUnboundedSender<Task>| tasks.upgrade().is_some_and(|tasks| tasks.send(swap).is_ok());
        let Some(tasks) = tasks.filter(is_sent) else {
            // Nothing runs just now; the next life begins with them.
            self.inner().stages = stages;
            let _ = verdict.send(Ok(()));
            return Ok(answer);
        };
        is_swapped.await.unwrap_or_else(|_| Err("the pipeline ended meanwhile".to_owned()))?;
        {
            let mut inner = self.inner();
            inner.stages = stages;
            // Of stages that are no more, what they have kept stays.
            inner.state_versions.extend(state_versions);
        }
        let control = self.clone();
        tokio::spawn(async move {
            let mut decided = decided;
            let in_time = tokio::time::timeout(probation.time, &mut decided).await;
            let decision = match in_time {
                Ok(decision) => decision,
                Err(_) => {
                    // The worker may have ended.
                    let _ = tasks.upgrade().map(|tasks| tasks.send(Task::ProbationOver(id)));
                    decided.await
                }
            };
            // Without a decision the pipeline has ended, and what ran last is what the next life begins with.
            let decision = decision.unwrap_or(Ok(()));
            if let Err(why) = &decision {
                let mut inner = control.inner();
                inner.figures.put_back(why);
                if inner.swaps == id {
                    (inner.stages, inner.state_versions) = before;
                }
            }
            let _ = verdict.send(decision);
        });
        Ok(answer)
    }

    /// Hands a newer version what these stages have kept, while the pipeline goes on: all of it, then what was written
    /// meanwhile, until little is left, which is handed over between two batches.
    async fn copy(&self, chain: &mut Chain, stages: &[String]) -> Result<(), String> {
        if stages.is_empty() {
            return Ok(());
        }
        for round in 0..COPIES {
            let (copied, answer) = oneshot::channel();
            let task = Task::Copy { stages: stages.to_vec(), again: round > 0, copied };
            let tasks = self.inner().tasks.as_ref().and_then(mpsc::WeakUnboundedSender::upgrade);
            // Where nothing runs just now, the next life takes over what it restores.
            let Some(true) = tasks.map(|tasks| tasks.send(task).is_ok()) else { return Ok(()) };
            let Ok(copied) = answer.await else { return Ok(()) };
            tokio::task::block_in_place(|| chain.take_over(&copied)).map_err(|error| chain_of(&error))?;
            let entries = copied.iter().flat_map(|copied| &copied.entries).map(|piece| piece.at.len()).sum::<usize>();
            if entries <= LITTLE {
                break;
            }
        }
        Ok(())
    }

    /// The stages whose state of an older version has to be taken over. Fails where one would go back.
    fn older(&self, now: &BTreeMap<String, u32>) -> Result<Vec<String>, String> {
        let mut older = Vec::new();
        for (stage, before) in &self.inner().state_versions {
            match now.get(stage) {
                Some(now) if now < before => {
                    return Err(format!(
                        "stage `{stage}`: the plugin is made for state of version {now}, and the running one keeps version \
                         {before}; give the stage another name to begin with empty state"
                    ));
                }
                Some(now) if now > before => older.push(stage.clone()),
                _ => {}
            }
        }
        Ok(older)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
