//! The writer: makes what the stages decided durable, in the one order that loses nothing.
//!
//! First the sink acknowledges every row, or refuses it for good. Then the dead-letter sink acknowledges every rejected and
//! refused record. Then one frame of the changelog takes positions, totals and state writes. Last, the source is told, as a
//! hint. A failed attempt sends the same rows again; it never runs a stage again.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    Meter, Stop,
    dead_letter::{Author, Authors, Letter, letters, sink_author},
    deliver::{Abandoned, Delivery},
    worker::Refused,
};
use crate::{
    record::Positions,
    sink::WriteBatch,
    source::Committer,
    state::{Cause, Changelog, ChangelogError, Commit, Totals, Writes},
    transform::Processed,
};

pub(super) struct Writer {
    pub pipeline: Arc<str>,
    pub sink: Delivery,
    pub dead_letters: Delivery,
    pub authors: Authors,
    pub changelog: Changelog,
    pub committer: Box<dyn Committer>,
    pub totals: Totals,
    pub meter: Meter,
    pub refused: mpsc::UnboundedSender<Refused>,
    pub stop: Stop,
}

/// Why the writer ended before there was no more to write.
#[derive(Debug)]
pub(super) enum Ended {
    /// Waiting was called off; the batch under way is not committed.
    Abandoned(Abandoned),
    /// The changelog failed for good.
    Changelog(ChangelogError),
}

impl Writer {
    /// Writes until there is no more.
    pub async fn run(mut self, mut processed: mpsc::Receiver<Processed>) -> Result<(), Ended> {
        let mut result = Ok(());
        while let Some(batch) = processed.recv().await {
            result = self.write(batch).await;
            if result.is_err() {
                break;
            }
        }
        self.sink.close().await;
        self.dead_letters.close().await;
        result
    }

    async fn write(&mut self, batch: Processed) -> Result<(), Ended> {
        let delivered = self.sink.deliver(&batch.write, &mut self.stop).await.map_err(Ended::Abandoned)?;
        let refused: Vec<(u32, String)> = delivered
            .refused
            .iter()
            .map(|failure| {
                let origin = batch.write.rows.get(failure.row as usize).map_or(0, |row| row.origin);
                (origin, format!("{}: {}", failure.code, failure.detail))
            })
            .collect();
        let author = sink_author(&self.sink.url);
        let dead = self.dead_letter(&batch, &refused, &author, delivered.attempts).await?;
        self.count(&batch, &refused, dead);
        self.commit(&batch.positions, &batch.writes, &refused).await.map_err(Ended::Changelog)?;
        self.meter.commit(&self.pipeline, &self.totals);
        if let Err(error) = self.committer.commit(&batch.positions).await {
            tracing::debug!(pipeline = %self.pipeline, "{error}");
        }
        if !refused.is_empty() {
            let origins = refused.into_iter().map(|(origin, _)| origin).collect();
            // The worker may have ended; then there is no state to mend.
            let _ = self.refused.send(Refused { writes: batch.writes, origins });
        }
        Ok(())
    }

    /// Writes the dead letters of a batch, and says how many there were.
    async fn dead_letter(
        &mut self,
        batch: &Processed,
        refused: &[(u32, String)],
        sink: &Author,
        attempt: u64,
    ) -> Result<u64, Ended> {
        if batch.rejected.is_empty() && refused.is_empty() {
            return Ok(0);
        }
        let nobody = Author::default();
        let rejected = batch.rejected.iter().map(|rejected| Letter {
            origin: rejected.origin,
            author: self.authors.get(rejected.stage).unwrap_or(&nobody),
            reason: &rejected.reason,
            attempt: 0,
        });
        let refused = refused.iter().map(|(origin, reason)| Letter { origin: *origin, author: sink, reason, attempt });
        let letters = letters(&self.pipeline, &batch.write.source, rejected.chain(refused));
        let letters: Arc<WriteBatch> = Arc::new(letters);
        let delivered = self.dead_letters.deliver_all(&letters, &mut self.stop).await;
        delivered.map_err(Ended::Abandoned)?;
        Ok(letters.len() as u64)
    }

    fn count(&mut self, batch: &Processed, refused: &[(u32, String)], dead: u64) {
        let totals = &mut self.totals;
        totals.consumed += batch.write.source.len() as u64;
        totals.split += batch.split;
        totals.written += batch.write.len() as u64 - refused.len() as u64;
        for (cause, count) in &batch.dropped {
            for _ in 0..*count {
                totals.drop_one(cause.clone());
            }
        }
        for rejected in &batch.rejected {
            let stage = self.authors.get(rejected.stage).map_or("", |author| author.stage.as_str());
            totals.dead_letter_one(Cause::new(stage, &rejected.reason));
        }
        for (_, reason) in refused {
            totals.dead_letter_one(Cause::new("sink", reason));
        }
        debug_assert_eq!(dead, batch.rejected.len() as u64 + refused.len() as u64);
    }

    /// Appends the frame. A full disk is waited out; it is the one failure here that passes by itself.
    async fn commit(
        &mut self,
        positions: &Positions,
        writes: &[Writes],
        refused: &[(u32, String)],
    ) -> Result<(), ChangelogError> {
        let mut backoff = super::retry::Backoff::new(std::time::Duration::from_secs(5));
        let stages: Vec<(&str, &Writes)> =
            self.authors.iter().map(|author| author.stage.as_str()).zip(writes).collect();
        let durable = |row: u32| !refused.iter().any(|(origin, _)| *origin == row);
        loop {
            // An fsync of tens of milliseconds: the other tasks of this thread move on meanwhile.
            let committed = tokio::task::block_in_place(|| {
                let (totals, time_ms) = (&self.totals, super::now_ms());
                let commit = Commit { positions, totals, writes: &stages, durable: &durable, time_ms };
                self.changelog.commit(&commit)
            });
            match committed {
                Ok(()) => return Ok(()),
                Err(error) if error.is_retryable() && !self.stop.is_abandoned() => {
                    let delay = backoff.next();
                    tracing::error!(pipeline = %self.pipeline, delay_ms = delay.as_millis() as u64, "{}; trying again", super::chain_of(&error));
                    self.meter.retry(super::chain_of(&error));
                    let mut stop = self.stop.clone();
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = stop.abandoned() => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}
