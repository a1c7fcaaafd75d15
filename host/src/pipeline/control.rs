//! The hand on a running pipeline: other versions of its stages, while it runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{mpsc, oneshot};

use super::{
    chain_of,
    trial::Probation,
    worker::{Swap, Task},
};
use crate::transform::{Chain, StageSpec};

/// Cheap to clone; all clones are the same hand.
#[derive(Clone)]
pub struct Control(Arc<Mutex<Inner>>);

struct Inner {
    stages: Vec<StageSpec>,
    /// The worker, while there is one.
    tasks: Option<mpsc::UnboundedSender<Task>>,
    swaps: u64,
    /// Version of the state of each stage.
    state_versions: BTreeMap<String, u32>,
}

impl Control {
    /// For a pipeline that begins with these stages.
    pub fn new(stages: Vec<StageSpec>) -> Self {
        Self(Arc::new(Mutex::new(Inner { stages, tasks: None, swaps: 0, state_versions: BTreeMap::new() })))
    }

    /// The stages that run, or that the pipeline's next life begins with.
    pub fn stages(&self) -> Vec<StageSpec> {
        self.inner().stages.clone()
    }

    /// A worker is there, made with the stages of `swaps` swaps; `false` where there have been more since.
    pub(super) fn attach(&self, tasks: mpsc::UnboundedSender<Task>, chain: &Chain, swaps: u64) -> bool {
        let mut inner = self.inner();
        inner.state_versions = chain.state_versions();
        inner.tasks = (inner.swaps == swaps).then_some(tasks);
        inner.swaps == swaps
    }

    pub(super) fn detach(&self) {
        self.inner().tasks = None;
    }

    /// How often stages were swapped.
    pub(super) fn swaps(&self) -> u64 {
        self.inner().swaps
    }

    /// Makes the stages ready, swaps them in between two batches, and waits until their probation is over. An error says
    /// why the ones before run on.
    pub async fn swap(&self, stages: Vec<StageSpec>, probation: Probation) -> Result<(), String> {
        let chain = tokio::task::block_in_place(|| Chain::new(stages.clone())).map_err(|error| chain_of(&error))?;
        let state_versions = chain.state_versions();
        for (stage, before) in &self.inner().state_versions {
            if let Some(now) = state_versions.get(stage).filter(|now| *now != before) {
                return Err(format!(
                    "stage `{stage}`: the plugin keeps state of version {now}, the running one of version {before}; give \
                     the stage another name to begin with empty state"
                ));
            }
        }
        let (done, verdict) = oneshot::channel();
        let sent = {
            let mut inner = self.inner();
            inner.swaps += 1;
            let id = inner.swaps;
            let swap = Task::Swap(Box::new(Swap { id, chain, probation, done }));
            let tasks = inner.tasks.clone();
            tasks.filter(|tasks| tasks.send(swap).is_ok()).map(|tasks| (tasks, id))
        };
        let Some((tasks, id)) = sent else {
            // Nothing runs just now; the next life begins with them.
            self.inner().stages = stages;
            return Ok(());
        };
        let timer = tokio::spawn(async move {
            tokio::time::sleep(probation.time).await;
            // The worker may have ended.
            let _ = tasks.send(Task::ProbationOver(id));
        });
        let verdict = verdict.await.unwrap_or_else(|_| Err("the pipeline ended meanwhile".to_owned()));
        timer.abort();
        if verdict.is_ok() {
            let mut inner = self.inner();
            (inner.stages, inner.state_versions) = (stages, state_versions);
        }
        verdict
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
