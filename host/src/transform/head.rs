//! The head of a chain: parsing the records and running the stages before the first one that keeps something.
//!
//! Nothing of it depends on the batches before, so that several batches can be begun at the same time, on as many threads,
//! each with instances of its own. What was begun is finished in order, by the one chain that has the state: the results are
//! those of running batch after batch.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    ChainError, Rejected, Stage, Used,
    chain::{LastUse, needed, now_s},
    fate::{Fate, run_stage},
    project::Projector,
    work::{Next, Work},
};
use crate::record::Batch;

/// Instances of the stages that keep nothing.
pub struct Head {
    pub(super) stages: Vec<Stage>,
    pub(super) projector: Projector,
    pub(super) last_use: LastUse,
}

/// A batch on which the head has been run.
pub struct Begun {
    pub(super) work: Work,
    pub(super) fate: Fate,
    /// What each stage of the head used for it.
    pub(super) used: Vec<Used>,
    /// How long it took.
    pub(super) took: Duration,
}

impl Begun {
    /// Records that it has rejected so far.
    pub fn rejected(&self) -> &[Rejected] {
        &self.fate.rejected
    }
}

impl Head {
    /// Runs it over a batch. An error means that a stage is broken.
    pub fn begin(&mut self, batch: Arc<Batch>) -> Result<Begun, ChainError> {
        begin(&mut self.stages, &mut self.projector, &self.last_use, batch)
    }
}

/// Parses the records of a batch and runs stages that keep nothing.
pub(super) fn begin(
    stages: &mut [Stage],
    projector: &mut Projector,
    last_use: &LastUse,
    batch: Arc<Batch>,
) -> Result<Begun, ChainError> {
    let (now, since) = (now_s(), Instant::now());
    let mut work = Work::new(batch, last_use.len(), projector);
    let mut fate = Fate::default();
    for (index, stage) in stages.iter_mut().enumerate() {
        let mut next = Next::default();
        let run = run_stage(index, stage, &mut work, &mut next, &mut fate, now);
        run.map_err(|fault| ChainError { stage: stage.name().to_string(), fault })?;
        work.advance(&next, needed(last_use, index), projector);
        stage.report_what_is_due();
    }
    let used = stages.iter_mut().map(Stage::take_used).collect();
    Ok(Begun { work, fate, used, took: since.elapsed() })
}
