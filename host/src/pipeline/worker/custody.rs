//! Partitions that come and go: between two batches, with nothing under way.

use super::{Made, Worker, WorkerError};
use crate::{record::Positions, source::Custody};

impl Worker {
    /// Has what is under way committed at once.
    pub(super) fn hurry(&self) -> Result<(), WorkerError> {
        if self.under_way.is_empty() {
            return Ok(());
        }
        self.parts.made.blocking_send(Made::Waited).map_err(|_| WorkerError::WriterGone)
    }

    /// Carries out a change; nothing is under way. The source may have gone: then nobody waits for the answer.
    pub(super) fn change(&mut self, change: Custody) -> Result<(), WorkerError> {
        match change {
            Custody::GiveUp { done } => {
                let _ = done.send(());
            }
            Custody::TakeOver { partitions, done } => {
                // What comes with them is not copied yet.
                self.copying = None;
                let Some(topic) = self.parts.topic.clone() else {
                    let _ = done.send(Positions::default());
                    return Ok(());
                };
                let (made, stop) = (&self.parts.made, &self.parts.stop);
                let off = || made.is_closed() || stop.is_draining();
                let owned = self.parts.chain.with_states(|states| topic.take_over(&partitions, states, &off))?;
                let Some(owned) = owned else { return Ok(()) };
                let next: Positions = owned.iter().filter_map(|owned| Some((owned.partition, owned.next?))).collect();
                let migrated = self.parts.chain.take_over_restored()?;
                topic.keeps(&self.parts.chain.state_versions());
                self.migrated(migrated)?;
                self.reached.merge(&next);
                self.parts.made.blocking_send(Made::TakenOver(owned)).map_err(|_| WorkerError::WriterGone)?;
                let _ = done.send(next);
            }
        }
        Ok(())
    }
}
