//! The writer: makes what the stages decided durable, in the one order that loses nothing.
//!
//! First the sink acknowledges every row, or refuses it for good. Then the dead-letter sink acknowledges every rejected and
//! refused record. Then one frame of the changelog takes positions, totals and state writes. Last, the source is told, as a
//! hint. A failed attempt sends the same rows again; it never runs a stage again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    Meter, Stop,
    dead_letter::{Letter, letters, sink_author},
    deliver::{Abandoned, Delivery},
    ledger::{Entry, Ledger, LedgerError},
    standing::{News, Standing},
    tally::{Tally, sum, tally},
    worker::{Made, Task},
};
use crate::{
    record::Handled,
    sink::WriteBatch,
    source::Committer,
    state::Writes,
    transform::{Author, Processed},
};

/// Longest wait between attempts to make a commit durable.
const MAX_COMMIT_DELAY: Duration = Duration::from_secs(5);

static NONE_HANDLED: Handled = Handled::none();

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
        let mut result = Ok(());
        let mut current = 0;
        while let Some(made) = made.recv().await {
            result = match made {
                // It was judged by a record that the sink has refused since; the worker makes it again.
                Made::Batch { run, .. } if run < current => Ok(()),
                Made::Batch { processed, .. } => self.write(processed).await.map(|again| current += u64::from(again)),
                Made::Migrated(migrated) => {
                    self.ledger.migrated(migrated);
                    Ok(())
                }
                Made::TakenOver(owned) => {
                    let grown = self.ledger.take_over(owned);
                    self.meter.taken_over(&grown);
                    Ok(())
                }
            };
            if result.is_err() {
                break;
            }
        }
        self.sink.close().await;
        self.dead_letters.close().await;
        result
    }

    /// Makes a batch durable. Returns whether what is behind it has to run again.
    async fn write(&mut self, mut batch: Processed) -> Result<bool, Ended> {
        let letters = batch.write.source.letters.clone();
        if self.sink.sink.lifetime().is_some() && letters.is_none() {
            self.intend(&mut batch).await?;
        }
        fail::fail_point!(&format!("{}/before-sink", self.pipeline));
        let begun = Instant::now();
        let delivered = self.sink.deliver(&batch.write, &mut self.stop).await.map_err(Ended::Abandoned)?;
        let write = begun.elapsed();
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
        let tally = tally(&batch, &refused);
        self.commit(&batch, &tally, &refused).await?;
        fail::fail_point!(&format!("{}/after-frame", self.pipeline));
        let added = sum(&tally);
        self.meter.commit(&self.pipeline, &added);
        self.meter.batch(&batch, write);
        let handled = letters.as_ref().map_or(&NONE_HANDLED, |letters| &letters.handled);
        self.standing.committed(&batch.positions, handled);
        if let Some(letters) = &letters {
            self.standing.tell(letters.replay, News::Done(added));
        }
        // The places of letters are none that the source would go on from.
        if letters.is_none()
            && let Err(error) = self.committer.commit(&batch.positions).await
        {
            tracing::debug!(pipeline = %self.pipeline, "{error}");
        }
        let again = !refused.is_empty();
        let refused = refused.into_iter().map(|(origin, _)| origin).collect();
        // The worker may have ended; then there is no state to mend.
        let _ = self.tasks.send(Task::Committed { refused });
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

    /// Commits. A full disk, or a broker that is away, is waited out; what else fails here does not pass by itself.
    async fn commit(&mut self, batch: &Processed, tally: &Tally, refused: &[(u32, String)]) -> Result<(), Ended> {
        let mut backoff = super::retry::Backoff::new(MAX_COMMIT_DELAY);
        let writes: Vec<(&str, &Writes)> =
            batch.writes.iter().map(|(stage, writes)| (stage.as_ref(), writes)).collect();
        let entry = Entry {
            positions: &batch.positions,
            tally,
            writes: &writes,
            handled: batch.write.source.letters.as_ref().map_or(&NONE_HANDLED, |letters| &letters.handled),
            partitions: &batch.write.source.partitions,
            durable: &|row| !refused.iter().any(|(origin, _)| *origin == row),
            time_ms: super::now_ms(),
        };
        loop {
            let mut stop = self.stop.clone();
            let abandoned = |why: String| Ended::Abandoned(Abandoned { rows: batch.write.len(), why });
            let committed = tokio::select! {
                committed = self.ledger.commit(&entry) => committed,
                () = stop.abandoned() => return Err(abandoned("the commit was under way".to_owned())),
            };
            match committed {
                Ok(()) => return Ok(()),
                Err(error) if error.is_retryable() => {
                    let delay = backoff.next();
                    tracing::error!(pipeline = %self.pipeline, delay_ms = delay.as_millis() as u64, "{}; trying again", super::chain_of(&error));
                    self.meter.retry(super::chain_of(&error));
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = stop.abandoned() => return Err(abandoned(super::chain_of(&error))),
                    }
                }
                Err(error) => return Err(Ended::Ledger(error)),
            }
        }
    }
}
