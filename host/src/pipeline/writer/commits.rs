//! What comes behind a batch's rows: its dead letters, the frame that makes it durable, and the news of it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout_at,
};

use super::{
    Abandoned, Ended,
    group::{Group, Written},
};
use crate::{
    pipeline::{
        Meter, Stop, chain_of,
        dead_letter::{letters, sink_author},
        deliver::Delivery,
        ledger::{Entry, Ledger},
        now_ms,
        retry::Backoff,
        standing::{News, Standing},
        tally::sum,
        worker::Task,
    },
    record::{Positions, Replay},
    source::Committer,
    state::{Migrated, Owned, Writes},
    transform::{Author, Processed},
};

/// Longest wait between attempts to make a commit durable.
const MAX_COMMIT_DELAY: Duration = Duration::from_secs(5);

/// What is to be done next.
pub(super) enum Step {
    /// Commit a batch whose rows are acknowledged.
    Commit(Box<Written>),
    /// Commit all that came so far, and say so to whoever waits for it.
    Now(Option<oneshot::Sender<()>>),
    /// Say that rows up to there are about to be written; answered with what may have been before, if anything.
    Intend { positions: Positions, answer: oneshot::Sender<Option<Replay>> },
    /// See [`Made::Migrated`](crate::pipeline::worker::Made::Migrated).
    Migrated(Vec<Migrated>),
    /// See [`Made::TakenOver`](crate::pipeline::worker::Made::TakenOver).
    TakenOver(Vec<Owned>),
}

/// Commits what the sink has acknowledged.
pub(in crate::pipeline) struct Commits {
    pub pipeline: Arc<str>,
    /// Its address, for those it has refused.
    pub sink: String,
    pub dead_letters: Delivery,
    pub ledger: Ledger,
    pub committer: Box<dyn Committer>,
    pub meter: Meter,
    pub standing: Standing,
    /// To the worker: what is durable.
    pub tasks: mpsc::UnboundedSender<Task>,
    pub stop: Stop,
    /// Longest time for which what is written waits to be committed together with more; if none at all, nothing more is
    /// written meanwhile either.
    pub interval: Duration,
}

impl Commits {
    /// Commits until there is no more.
    pub(super) async fn run(&mut self, mut steps: mpsc::Receiver<Step>) -> Result<(), Ended> {
        let mut group = Group::default();
        loop {
            let next = match group.due(self.interval) {
                None => steps.recv().await,
                Some(due) => match timeout_at(due, steps.recv()).await {
                    Ok(next) => next,
                    Err(_) => Some(Step::Now(None)),
                },
            };
            match next {
                Some(Step::Commit(written)) => {
                    // What was refused sends batches back, and whoever replays waits for each.
                    let hurry = written.has_refused() || written.batch.write.source.letters.is_some();
                    group.add(*written);
                    if hurry || group.is_full(self.interval) || !self.ledger.groups() {
                        self.commit(&mut group).await?;
                    }
                }
                Some(Step::Now(waiter)) => {
                    self.commit(&mut group).await?;
                    // It may have ended.
                    waiter.map(|waiter| waiter.send(()));
                }
                Some(Step::Intend { positions, answer }) => {
                    self.commit(&mut group).await?;
                    // Whoever asked may have ended.
                    let _ = answer.send(self.intend(&positions).await?);
                }
                Some(Step::Migrated(migrated)) => {
                    self.commit(&mut group).await?;
                    self.ledger.migrated(migrated);
                }
                Some(Step::TakenOver(owned)) => {
                    self.commit(&mut group).await?;
                    let grown = self.ledger.take_over(owned);
                    self.meter.taken_over(&grown);
                }
                None => return self.commit(&mut group).await,
            }
        }
    }

    async fn intend(&mut self, positions: &Positions) -> Result<Option<Replay>, Ended> {
        let replay = self.ledger.replay();
        if !replay.is_empty() {
            return Ok(Some(replay));
        }
        match self.ledger.intend(positions, now_ms()).await {
            Ok(()) => Ok(None),
            // Only a hint, and the commit complains of whatever is wrong here.
            Err(error) if error.is_retryable() => Ok(None),
            Err(error) => Err(Ended::Ledger(error)),
        }
    }

    /// Makes what is written durable, and tells everyone.
    async fn commit(&mut self, group: &mut Group) -> Result<(), Ended> {
        let group = group.take();
        let Some(first) = group.first() else { return Ok(()) };
        let topic = first.batch.write.source.topic.clone();
        self.dead_letter(topic, &group).await?;
        fail::fail_point!(&format!("{}/before-frame", self.pipeline));
        self.make_durable(&group).await?;
        fail::fail_point!(&format!("{}/after-frame", self.pipeline));
        for written in group {
            self.tell(written).await;
        }
        Ok(())
    }

    /// Writes the dead letters of a group.
    async fn dead_letter(&mut self, topic: Arc<str>, group: &[Written]) -> Result<(), Ended> {
        let (sink, nobody) = (sink_author(&self.sink), Author::default());
        if group.iter().all(|written| written.letters(&sink, &nobody).next().is_none()) {
            return Ok(());
        }
        for written in group {
            self.meter.dead_letters(&written.batch.write.source, written.letters(&sink, &nobody));
        }
        let all = group
            .iter()
            .flat_map(|written| written.letters(&sink, &nobody).map(|letter| (&*written.batch.write.source, letter)));
        let letters = Arc::new(letters(&self.pipeline, topic, all));
        self.dead_letters.deliver_all(&letters, &mut self.stop).await.map_err(Ended::Abandoned)
    }

    async fn tell(&mut self, written: Written) {
        let handled = written.handled();
        let added = sum(&written.tally);
        let positions = &written.batch.positions;
        self.meter.commit(&self.pipeline, &added);
        self.meter.batch(&written.batch, written.took);
        self.standing.committed(positions, handled);
        match &written.batch.write.source.letters {
            Some(letters) => self.standing.tell(letters.replay, News::Done(added)),
            // The places of letters are none that the source would go on from.
            None => {
                if let Err(error) = self.committer.commit(positions).await {
                    tracing::debug!(pipeline = %self.pipeline, "{error}");
                }
            }
        }
        let refused = written.refused.into_iter().map(|(origin, _)| origin).collect();
        // The worker may have ended; then there is no state to mend.
        let _ = self.tasks.send(Task::Committed { refused });
    }

    /// Commits. A full disk, or a broker that is away, is waited out; what else fails here does not pass by itself.
    async fn make_durable(&mut self, group: &[Written]) -> Result<(), Ended> {
        let mut backoff = Backoff::new(MAX_COMMIT_DELAY);
        let time_ms = now_ms();
        let writes: Vec<Vec<(&str, &Writes)>> = group.iter().map(|written| by_name(&written.batch)).collect();
        let durable: Vec<_> =
            group.iter().map(|written| |row: u32| !written.refused.iter().any(|(origin, _)| *origin == row)).collect();
        let parts = group.iter().zip(&writes).zip(&durable);
        let entries: Vec<Entry<'_>> = parts
            .map(|((written, writes), durable)| Entry {
                positions: &written.batch.positions,
                tally: &written.tally,
                writes,
                handled: written.handled(),
                partitions: &written.batch.write.source.partitions,
                durable,
                time_ms,
            })
            .collect();
        let rows = group.iter().map(|written| written.batch.write.len()).sum();
        loop {
            let mut stop = self.stop.clone();
            let abandoned = |why: String| Ended::Abandoned(Abandoned { rows, why });
            let committed = tokio::select! {
                // What is acknowledged is not given up for being late.
                biased;
                committed = self.ledger.commit(&entries) => committed,
                () = stop.abandoned() => return Err(abandoned("the commit was under way".to_owned())),
            };
            match committed {
                Ok(()) => return Ok(()),
                Err(error) if error.is_retryable() => {
                    let delay = backoff.next();
                    let why = chain_of(&error);
                    let delay_ms = delay.as_millis() as u64;
                    tracing::error!(pipeline = %self.pipeline, delay_ms, "{why}; trying again");
                    self.meter.retry(why);
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = stop.abandoned() => return Err(abandoned(chain_of(&error))),
                    }
                }
                Err(error) => return Err(Ended::Ledger(error)),
            }
        }
    }
}

fn by_name(batch: &Processed) -> Vec<(&str, &Writes)> {
    batch.writes.iter().map(|(stage, writes)| (stage.as_ref(), writes)).collect()
}
