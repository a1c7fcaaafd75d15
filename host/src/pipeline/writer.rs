//! The writer: makes what the stages decided durable, in the one order that loses nothing.
//!
//! First the sink acknowledges every row, or refuses it for good. Then the dead-letter sink acknowledges every rejected and
//! refused record. Then one frame of the changelog takes positions, totals and state writes, of several batches where they
//! come fast (`group`). Last, the source is told, as a hint. A failed attempt sends the same rows again; it never runs a
//! stage again.

mod group;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, time::timeout_at};

use self::group::{Group, Written};
use super::{
    Meter, Stop,
    dead_letter::{Letter, letters, sink_author},
    deliver::{Abandoned, Delivery},
    ledger::{Ledger, LedgerError},
    standing::Standing,
    worker::{Made, Task},
};
use crate::{
    sink::WriteBatch,
    source::Committer,
    transform::{Author, Processed},
};

pub(super) struct Writer {
    pub pipeline: Arc<str>,
    pub sink: Delivery,
    pub dead_letters: Delivery,
    pub ledger: Ledger,
    pub committer: Box<dyn Committer>,
    pub meter: Meter,
    pub standing: Standing,
    /// To the worker: what is durable.
    pub tasks: mpsc::UnboundedSender<Task>,
    pub stop: Stop,
    /// Longest time for which what is written waits to be committed together with more.
    pub commit_interval: Duration,
}

/// Why the writer ended before there was no more to write.
#[derive(Debug)]
pub(super) enum Ended {
    /// Waiting was called off; the batch under way is not committed.
    Abandoned(Abandoned),
    /// Commits failed for good.
    Ledger(LedgerError),
}

impl Writer {
    /// Writes until there is no more.
    pub async fn run(mut self, mut made: mpsc::Receiver<Made>) -> Result<(), Ended> {
        let mut group = Group::default();
        let mut result = self.write_all(&mut made, &mut group).await;
        if !matches!(result, Err(Ended::Ledger(_))) {
            // What is acknowledged is committed, whatever became of the batch behind it.
            let committed = self.commit(&mut group).await;
            result = result.and(committed);
        }
        self.sink.close().await;
        self.dead_letters.close().await;
        result
    }

    async fn write_all(&mut self, made: &mut mpsc::Receiver<Made>, group: &mut Group) -> Result<(), Ended> {
        let mut current = 0;
        loop {
            let next = match group.due(self.commit_interval) {
                None => made.recv().await,
                Some(due) => match timeout_at(due, made.recv()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.commit(group).await?;
                        continue;
                    }
                },
            };
            match next {
                // It was judged by a record that the sink has refused since; the worker makes it again.
                Some(Made::Batch { run, .. }) if run < current => {}
                Some(Made::Batch { processed, .. }) => current += u64::from(self.write(processed, group).await?),
                Some(Made::Waited) => self.commit(group).await?,
                Some(Made::Migrated(migrated)) => {
                    self.commit(group).await?;
                    self.ledger.migrated(migrated);
                }
                Some(Made::TakenOver(owned)) => {
                    self.commit(group).await?;
                    let grown = self.ledger.take_over(owned);
                    self.meter.taken_over(&grown);
                }
                None => return Ok(()),
            }
        }
    }

    /// Writes a batch, to be committed with its group. Returns whether what is behind it has to run again.
    async fn write(&mut self, mut batch: Processed, group: &mut Group) -> Result<bool, Ended> {
        let is_replay = batch.write.source.letters.is_some();
        let expires = self.sink.sink.lifetime().is_some();
        if expires && !is_replay {
            self.intend(&mut batch).await?;
        }
        fail::fail_point!(&format!("{}/before-sink", self.pipeline));
        let begun = Instant::now();
        let delivered = self.sink.deliver(&batch.write, &mut self.stop).await.map_err(Ended::Abandoned)?;
        let took = begun.elapsed();
        let refused: Vec<(u32, String)> = delivered
            .refused
            .iter()
            .map(|failure| {
                let origin = batch.write.rows.get(failure.row as usize).map_or(0, |row| row.origin);
                (origin, format!("{}: {}", failure.code, failure.detail))
            })
            .collect();
        fail::fail_point!(&format!("{}/after-sink", self.pipeline));
        let author = sink_author(&self.sink.url);
        self.dead_letter(&batch, &refused, &author, delivered.attempts).await?;
        fail::fail_point!(&format!("{}/before-frame", self.pipeline));
        let again = !refused.is_empty();
        group.add(Written::new(batch, refused, took));
        // What was refused sends batches back, what expires is intended batch by batch, and whoever replays waits for each.
        if again || expires || is_replay || group.is_full(self.commit_interval) || !self.ledger.groups() {
            self.commit(group).await?;
        }
        Ok(again)
    }

    /// Where rows expire: says before the first write of a batch that it may happen, and, of a batch that may have been
    /// written before a crash, when.
    async fn intend(&mut self, batch: &mut Processed) -> Result<(), Ended> {
        let replay = self.ledger.replay();
        if replay.is_empty() {
            let intended = self.ledger.intend(&batch.positions, super::now_ms()).await;
            return match intended {
                Ok(()) => Ok(()),
                // Only a hint, and the commit complains of whatever is wrong here.
                Err(error) if error.is_retryable() => Ok(()),
                Err(error) => Err(Ended::Ledger(error)),
            };
        }
        Arc::make_mut(&mut batch.write).replay = Some(Arc::new(replay));
        Ok(())
    }

    /// Writes the dead letters of a batch.
    async fn dead_letter(
        &mut self,
        batch: &Processed,
        refused: &[(u32, String)],
        sink: &Author,
        attempt: u64,
    ) -> Result<(), Ended> {
        if batch.rejected.is_empty() && refused.is_empty() {
            return Ok(());
        }
        let nobody = Author::default();
        let rejected = batch.rejected.iter().map(|rejected| Letter {
            origin: rejected.origin,
            author: batch.authors.get(rejected.stage).unwrap_or(&nobody),
            reason: &rejected.reason,
            attempt: 0,
        });
        let refused = refused.iter().map(|(origin, reason)| Letter { origin: *origin, author: sink, reason, attempt });
        let all = rejected.chain(refused);
        self.meter.dead_letters(&batch.write.source, all.clone());
        let letters = letters(&self.pipeline, &batch.write.source, all);
        let letters: Arc<WriteBatch> = Arc::new(letters);
        self.dead_letters.deliver_all(&letters, &mut self.stop).await.map_err(Ended::Abandoned)
    }
}
