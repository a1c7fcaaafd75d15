//! The writer: makes what the stages decided durable, in the one order that loses nothing.
//!
//! First the sink acknowledges every row, or refuses it for good. Then the dead-letter sink acknowledges every rejected and
//! refused record. Then one frame of the changelog takes positions, totals and state writes. Last, the source is told, as a
//! hint. A failed attempt sends the same rows again; it never runs a stage again.
//!
//! The first step is here, one batch after the other. What comes behind it (`commits`) is taken by several batches together
//! where they come fast (`group`), while the sink goes on with the next ones.

mod commits;
mod group;

use std::{pin::pin, sync::Arc, time::Instant};

use tokio::sync::{mpsc, oneshot};

pub(super) use self::commits::Commits;
use self::{commits::Step, group::Written};
use super::{
    Stop,
    deliver::{Abandoned, Delivery},
    ledger::LedgerError,
    worker::Made,
};
use crate::transform::Processed;

/// Batches that are written and wait until those before them are committed. More are not faster, and are memory.
const WRITTEN_AHEAD: usize = 2;

pub(super) struct Writer {
    pub sink: Delivery,
    pub commits: Commits,
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
    pub async fn run(self, mut made: mpsc::Receiver<Made>) -> Result<(), Ended> {
        let Self { sink, mut commits } = self;
        let (steps, coming) = mpsc::channel(WRITTEN_AHEAD);
        let mut rows = Rows { sink, stop: commits.stop.clone(), steps, one_by_one: commits.interval.is_zero() };
        let result = {
            let mut committing = pin!(commits.run(coming));
            let mut writing = pin!(async move {
                let written = rows.write_all(&mut made).await;
                drop(rows.steps);
                rows.sink.close().await;
                written
            });
            tokio::select! {
                committed = &mut committing => match committed {
                    Ok(()) => writing.await,
                    // Nothing that is written would be committed.
                    Err(ended) => Err(ended),
                },
                // What is acknowledged is committed, whatever became of the batch behind it.
                written = &mut writing => committing.await.and(written),
            }
        };
        commits.dead_letters.close().await;
        result
    }
}

/// The first step: rows into the sink.
struct Rows {
    sink: Delivery,
    stop: Stop,
    /// To whoever commits them; closed once that has failed.
    steps: mpsc::Sender<Step>,
    /// Whether each batch is committed before the next one is written.
    one_by_one: bool,
}

/// Whoever commits has failed, and says why.
struct Closed;

impl Rows {
    async fn write_all(&mut self, made: &mut mpsc::Receiver<Made>) -> Result<(), Ended> {
        let mut current = 0;
        while let Some(next) = made.recv().await {
            let step = match next {
                // It was judged by a record that the sink has refused since; the worker makes it again.
                Made::Batch { run, .. } if run < current => continue,
                Made::Batch { processed, .. } => {
                    let Some(written) = self.write(processed).await? else { return Ok(()) };
                    current += u64::from(written.has_refused());
                    Step::Commit(Box::new(written))
                }
                Made::Waited => Step::Now(None),
                Made::Migrated(migrated) => Step::Migrated(migrated),
                Made::TakenOver(owned) => Step::TakenOver(owned),
            };
            if self.steps.send(step).await.is_err() || (self.one_by_one && self.committed().await.is_err()) {
                break;
            }
        }
        Ok(())
    }

    /// Waits until all that is written is committed.
    async fn committed(&mut self) -> Result<(), Closed> {
        let (waiter, waiting) = oneshot::channel();
        self.steps.send(Step::Now(Some(waiter))).await.map_err(|_| Closed)?;
        waiting.await.map_err(|_| Closed)
    }

    /// Writes a batch; `None` where it could not be committed anyway.
    async fn write(&mut self, mut batch: Processed) -> Result<Option<Written>, Ended> {
        let expires = self.sink.sink.lifetime().is_some();
        if expires && batch.write.source.letters.is_none() && self.intend(&mut batch).await.is_err() {
            return Ok(None);
        }
        fail::fail_point!(&format!("{}/before-sink", self.sink.pipeline));
        let begun = Instant::now();
        let delivered = self.sink.deliver(&batch.write, &mut self.stop).await.map_err(Ended::Abandoned)?;
        let took = begun.elapsed();
        let refused = delivered.refused.iter().map(|failure| {
            let origin = batch.write.rows.get(failure.row as usize).map_or(0, |row| row.origin);
            (origin, format!("{}: {}", failure.code, failure.detail))
        });
        let refused = refused.collect();
        fail::fail_point!(&format!("{}/after-sink", self.sink.pipeline));
        Ok(Some(Written::new(batch, refused, delivered.attempts, took)))
    }

    /// Where rows expire: says before the first write of a batch that it may happen, and, of a batch that may have been
    /// written before a crash, when.
    async fn intend(&mut self, batch: &mut Processed) -> Result<(), Closed> {
        let (answer, answered) = oneshot::channel();
        let step = Step::Intend { positions: batch.positions.clone(), answer };
        self.steps.send(step).await.map_err(|_| Closed)?;
        if let Some(replay) = answered.await.map_err(|_| Closed)? {
            Arc::make_mut(&mut batch.write).replay = Some(Arc::new(replay));
        }
        Ok(())
    }
}
