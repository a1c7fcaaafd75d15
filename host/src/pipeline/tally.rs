//! What one batch adds to the totals, partition by partition: state that moves with its partition takes its share along.

use std::collections::BTreeMap;

use crate::{
    state::{Cause, Totals},
    transform::Processed,
};

/// Totals by partition of the source.
pub(super) type Tally = BTreeMap<i32, Totals>;

/// Counts what became of a batch. `refused` names records that the sink refused for good, with the reason.
pub(super) fn tally(batch: &Processed, refused: &[(u32, String)]) -> Tally {
    let source = &batch.write.source;
    let mut tally = Tally::new();
    let mut origins = batch.write.rows.iter().map(|row| row.origin).peekable();
    // Records of a partition come in runs, and rows in the order of their origins: a lookup per run, not per record.
    let mut first = 0;
    for run in source.partitions.chunk_by(|a, b| a == b) {
        let next = first + run.len() as u32;
        let totals = tally.entry(run.first().copied().unwrap_or_default()).or_default();
        totals.consumed += run.len() as u64;
        while origins.next_if(|origin| *origin < next).is_some() {
            totals.written += 1;
        }
        first = next;
    }
    let mut of = |origin: u32, count: &mut dyn FnMut(&mut Totals)| {
        let partition = source.partitions.get(origin as usize).copied().unwrap_or_default();
        count(tally.entry(partition).or_default());
    };
    for (origin, added) in &batch.split {
        of(*origin, &mut |totals| totals.split += added);
    }
    for (origin, cause) in &batch.dropped.records {
        let Some(cause) = batch.dropped.causes.get(*cause as usize) else { continue };
        of(*origin, &mut |totals| totals.drop_one(cause));
    }
    for rejected in &batch.rejected {
        let stage = batch.authors.get(rejected.stage).map_or("", |author| author.stage.as_str());
        let cause = Cause::new(stage, &rejected.reason);
        of(rejected.origin, &mut |totals| totals.dead_letter_one(&cause));
    }
    for (origin, reason) in refused {
        let cause = Cause::new("sink", reason);
        of(*origin, &mut |totals| {
            totals.written -= 1;
            totals.dead_letter_one(&cause);
        });
    }
    tally
}

/// The sum over all partitions.
pub(super) fn sum(tally: &Tally) -> Totals {
    tally.values().fold(Totals::default(), |mut sum, totals| {
        sum.add(totals);
        sum
    })
}
