//! The worker: one thread, one loop, over one pipeline's stages.
//!
//! Batches come in, what became of them goes out, in order; both hand-overs are bounded, so that a slow sink slows the
//! reading. While one batch is written the next one is in the stages.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    record::Batch,
    state::Writes,
    transform::{Chain, ChainError, Processed},
};

/// What the writer says of a batch once it is durable: the state writes of refused records are to be undone.
pub(super) struct Refused {
    pub writes: Vec<Writes>,
    pub origins: Vec<u32>,
}

/// Runs until there are no more batches, or a stage is broken, or the writer has ended.
pub(super) fn work(
    mut chain: Chain,
    mut batches: mpsc::Receiver<Arc<Batch>>,
    processed: mpsc::Sender<Processed>,
    mut refused: mpsc::UnboundedReceiver<Refused>,
) -> Result<(), ChainError> {
    while let Some(batch) = batches.blocking_recv() {
        while let Ok(refused) = refused.try_recv() {
            chain.forget(&refused.writes, &refused.origins);
        }
        if processed.blocking_send(chain.run(batch)?).is_err() {
            break; // the writer has ended, and says why
        }
    }
    Ok(())
}
