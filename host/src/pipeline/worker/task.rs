//! What the worker is asked to do, and what it hands to the writer.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{lanes::Ahead, swapping::Swap};
use crate::{
    record::Batch,
    source::Custody,
    state::{Copied, Migrated, Owned},
    transform::{Chain, Processed},
};

/// What the worker is asked to do.
pub(in crate::pipeline) enum Task {
    /// Run the stages over a batch. The permit, given back when it is taken up, bounds how many wait; a batch that was taken
    /// up before has none.
    Batch(Arc<Batch>, Option<OwnedSemaphorePermit>),
    /// A lane has begun a batch.
    Begun(Box<Ahead>),
    /// A lane has ended in the middle of a batch.
    LaneGone,
    /// Run the stages over dead letters.
    Letters(Mail, OwnedSemaphorePermit),
    /// The oldest batch under way is durable, but for these records, which the sink refused for good.
    Committed {
        /// Indexes in the source batch.
        refused: Vec<u32>,
    },
    /// Copy what these stages have kept, for a newer version: all of it, or, `again`, what was written since the last time.
    Copy { stages: Vec<String>, again: bool, copied: oneshot::Sender<Vec<Copied>> },
    /// Go on with other versions of the stages.
    Swap(Box<Swap>),
    /// The probation of that swap is over, however little was seen.
    ProbationOver(u64),
    /// Partitions come or go.
    Custody(Custody),
    /// No more batches will come; end once all that is under way is durable.
    End,
}

/// A batch of records that were taken out of dead letters.
pub(in crate::pipeline) struct Mail {
    pub batch: Arc<Batch>,
    /// Stages to run instead of the pipeline's, on the same state.
    pub stages: Option<OwnStages>,
    /// Whether it is only to be judged: nothing is written, and no state changes.
    pub dry_run: bool,
}

/// Stages that only a replay has.
pub(in crate::pipeline) type OwnStages = Arc<Mutex<Chain>>;

/// What the worker hands to the writer.
pub(in crate::pipeline) enum Made {
    /// A batch to write. One of an earlier `run` than the writer's is void: it is made again.
    Batch {
        /// How often batches had to run again so far.
        run: u64,
        /// The batch.
        processed: Processed,
    },
    /// Something waits until all of these are durable.
    Waited,
    /// These partitions are ours from now on.
    TakenOver(Vec<Owned>),
    /// State of older versions was taken over; to be durable with the next batch.
    Migrated(Vec<Migrated>),
}
