//! Other versions of the stages, between two batches: taken up, watched for a while, and put back where they are worse.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Slot, Task, Worker, WorkerError, heads};
use crate::{
    config::Probation,
    pipeline::{
        chain_of,
        copying::Copying,
        trial::{Trial, Verdict},
    },
    state::Copied,
    transform::{Chain, ChainError},
};

/// Other versions of the stages, ready to run.
pub(in crate::pipeline) struct Swap {
    /// Its number, for [`Task::ProbationOver`].
    pub id: u64,
    pub chain: Chain,
    /// Stages that have to take over state of an older version; most of it was copied already.
    pub takes_over: Vec<String>,
    pub probation: Probation,
    /// Told once they run, or why they cannot.
    pub swapped: oneshot::Sender<Result<(), String>>,
    /// Told once their probation is over: whether they stay.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// A trial, the number of its swap, and who waits for the verdict.
pub(super) struct OnTrial {
    pub trial: Trial,
    pub id: u64,
    /// What the swap took, until a batch has waited for it.
    pub swap_took: Duration,
    done: oneshot::Sender<Result<(), String>>,
}

impl Worker {
    /// Goes on with other versions from the next batch on. Those under way were made by the old one.
    pub(super) fn swap(&mut self, swap: Swap) {
        let Swap { id, mut chain, takes_over, probation, swapped, done } = swap;
        let begun = Instant::now();
        let ready = chain
            .project_for_sink(&self.parts.sink_fields)
            .and_then(|()| self.takes_over_topic(&mut chain))
            .and_then(|()| chain.widen(heads(self.parts.workers)))
            .and_then(|()| {
                chain.take_over(&Copying::copy(&mut self.copying, &self.parts.chain, &takes_over, [].into_iter()))
            })
            .and_then(|()| chain.taken_over(&takes_over));
        self.copying = None;
        let migrated = match ready {
            Ok(migrated) => migrated,
            Err(error) => {
                // Nobody may be waiting any more.
                let _ = swapped.send(Err(chain_of(&error)));
                return;
            }
        };
        // What was begun by the old version is begun anew by the new one.
        for Slot { batch, .. } in self.ahead.drain(..).rev() {
            self.waiting.push_front(Task::Batch(batch, None));
        }
        chain.adopt(&mut self.parts.chain);
        let old = std::mem::replace(&mut self.parts.chain, chain);
        let swap_took = begun.elapsed();
        self.parts.versions.began(self.parts.chain.authors(), &self.reached, swap_took);
        let _ = swapped.send(Ok(()));
        self.trial = Some(OnTrial { trial: Trial::new(old, probation, migrated), id, swap_took, done });
    }

    pub(super) fn copy(&mut self, stages: &[String], again: bool, copied: oneshot::Sender<Vec<Copied>>) {
        if !again {
            self.copying = None;
        }
        let under_way = self.under_way.iter().map(|batch| batch.writes.as_slice());
        // Whoever asked may have gone.
        let _ = copied.send(Copying::copy(&mut self.copying, &self.parts.chain, stages, under_way));
    }

    /// A topic keeps entries as they were written: whoever takes the partition over next must understand all of them.
    fn takes_over_topic(&self, chain: &mut Chain) -> Result<(), ChainError> {
        let Some(topic) = &self.parts.topic else { return Ok(()) };
        let running = self.parts.chain.state_versions();
        topic.kept(&running).into_iter().try_for_each(|(stage, version)| chain.takes_over(&stage, version))
    }

    /// Ends a trial whose outcome is clear, or, where it is `over`, any.
    pub(super) fn decide(&mut self, over: bool) -> Result<(), WorkerError> {
        let Some(OnTrial { trial, .. }) = &self.trial else { return Ok(()) };
        match trial.verdict(over) {
            Verdict::Open => Ok(()),
            Verdict::Kept => {
                let Some(OnTrial { trial, done, .. }) = self.trial.take() else { return Ok(()) };
                let _ = done.send(Ok(()));
                let (migrated, held) = trial.keep();
                self.migrated(migrated)?;
                held.into_iter().try_for_each(|(batch, processed)| self.hand_over(batch, processed, None))
            }
            Verdict::Refused(why) => self.put_back(&why),
        }
    }

    /// Goes on with the version before the one on probation, beginning with what was held back.
    pub(super) fn put_back(&mut self, why: &str) -> Result<(), WorkerError> {
        let Some(OnTrial { trial, done, .. }) = self.trial.take() else { return Ok(()) };
        let (old, held) = trial.put_back(&mut self.parts.chain);
        self.parts.chain = old;
        // Those that were lent when it was swapped out have gone.
        self.parts.chain.widen(heads(self.parts.workers))?;
        let mut from = self.reached.clone();
        for batch in held.iter().rev() {
            for (partition, offset) in batch.partitions.iter().zip(&batch.offsets).rev() {
                from.reset(*partition, Some(*offset));
            }
        }
        self.parts.versions.put_back(self.parts.chain.authors(), &from, why);
        let _ = done.send(Err(why.to_owned()));
        held.into_iter().try_for_each(|batch| self.take_up(batch))
    }
}
