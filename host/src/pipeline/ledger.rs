//! Where a pipeline's commits are kept: in files of its own, or in a topic that the hosts of a group share.

use std::{collections::BTreeMap, sync::Arc};

use super::tally::{Tally, sum};
use crate::{
    record::{Handled, Positions, Replay},
    state::{Changelog, ChangelogError, Commit, Migrated, Owned, TopicError, TopicLog, Totals, Writes},
};

/// Why a commit cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The files of the changelog.
    #[error(transparent)]
    Files(#[from] ChangelogError),
    /// The topic of the changelog.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Another host has the partition, and this one had not heard of it yet.
    #[error("another host has taken over partition {0} and its state")]
    TakenOver(i32),
}

impl LedgerError {
    /// Whether trying again may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Files(error) => error.is_retryable(),
            Self::Topic(error) => error.retryable,
            Self::TakenOver(_) => false,
        }
    }
}

/// What one commit makes durable.
pub(super) struct Entry<'a> {
    pub positions: &'a Positions,
    /// What it adds to the totals.
    pub tally: &'a Tally,
    /// State writes, by stage.
    pub writes: &'a [(&'a str, &'a Writes)],
    /// Dead letters that it deals with.
    pub handled: &'a Handled,
    /// The partition of each record of the batch.
    pub partitions: &'a [i32],
    /// Whether the writes of a record are part of it.
    pub durable: &'a (dyn Fn(u32) -> bool + Sync),
    pub time_ms: i64,
}

/// See the module.
pub(super) enum Ledger {
    /// All of a pipeline in one folder, and its totals.
    Files(Box<Changelog>, Totals),
    /// A frame for each partition of a batch.
    Topic(Arc<TopicLog>, BTreeMap<i32, Owned>),
}

impl Ledger {
    /// Takes over partitions with what their state says. Returns by how much the totals of the pipeline grew by it.
    pub fn take_over(&mut self, taken: Vec<Owned>) -> Totals {
        let mut grown = Totals::default();
        let Self::Topic(_, owned) = self else { return grown };
        for partition in taken {
            let before = owned.get(&partition.partition).map(|owned| owned.totals.clone()).unwrap_or_default();
            grown.add(&partition.totals.since(&before));
            owned.insert(partition.partition, partition);
        }
        grown
    }

    /// State of older versions was taken over. Files keep it in place of the older one from the next commit on; a topic keeps
    /// entries as they were written, and whoever restores them takes them over.
    pub fn migrated(&mut self, migrated: Vec<Migrated>) {
        if let Self::Files(changelog, _) = self {
            changelog.migrated(migrated);
        }
    }

    /// The totals of all that is, or was, ours.
    pub fn totals(&self) -> Totals {
        match self {
            Self::Files(_, totals) => totals.clone(),
            Self::Topic(_, owned) => {
                let mut all = Totals::default();
                owned.values().for_each(|owned| all.add(&owned.totals));
                all
            }
        }
    }

    /// Dead letters that are dealt with; `None` where state moves with its partitions, and nobody keeps them.
    pub fn handled(&self) -> Option<&Handled> {
        match self {
            Self::Files(changelog, _) => Some(changelog.handled()),
            Self::Topic(..) => None,
        }
    }

    /// What may have been written and is not committed.
    pub fn replay(&self) -> Replay {
        match self {
            Self::Files(changelog, _) => changelog.replay().clone(),
            Self::Topic(_, owned) => {
                let mut all = Replay::default();
                for (partition, until, written_ms) in owned.values().flat_map(|owned| owned.replay.iter()) {
                    all.add(partition, until, written_ms);
                }
                all
            }
        }
    }

    /// Says that records up to these positions are about to be written. What is known of a partition already stays.
    pub async fn intend(&mut self, positions: &Positions, time_ms: i64) -> Result<(), LedgerError> {
        match self {
            Self::Files(changelog, _) => changelog.intend(positions, time_ms)?,
            Self::Topic(topic, owned) => {
                let (mut next, mut frames) = (Vec::new(), Vec::new());
                for (partition, until) in positions.iter() {
                    let Some(owned) = owned.get_mut(&partition) else { return Err(topic.not_ours(partition).into()) };
                    owned.seq += 1;
                    owned.replay.add(partition, until, time_ms);
                    frames.push(topic.frame(owned, &[], &|_| false, time_ms));
                    next.push(owned.clone());
                }
                append(topic, owned, next, frames, time_ms).await?;
            }
        }
        Ok(())
    }

    /// Whether several commits together cost less than one by one.
    pub fn groups(&self) -> bool {
        // Of a topic each frame is acknowledged by itself, and tells whether the partition is still ours.
        matches!(self, Self::Files(..))
    }

    /// Makes commits durable, in their order. What failed may be tried again as a whole.
    pub async fn commit(&mut self, entries: &[Entry<'_>]) -> Result<(), LedgerError> {
        match self {
            Self::Files(changelog, totals) => {
                let mut next = totals.clone();
                entries.iter().for_each(|entry| next.add(&sum(entry.tally)));
                let commits = entries.iter().map(|entry| Commit {
                    positions: entry.positions,
                    totals: &next,
                    writes: entry.writes,
                    handled: entry.handled,
                    durable: entry.durable,
                    time_ms: entry.time_ms,
                });
                let commits: Vec<_> = commits.collect();
                // An fsync of tens of milliseconds: the other tasks of this thread move on meanwhile.
                tokio::task::block_in_place(|| changelog.commit_all(&commits))?;
                *totals = next;
            }
            Self::Topic(topic, owned) => {
                for Entry { positions, tally, writes, partitions, durable, time_ms, .. } in entries {
                    let (mut next, mut frames) = (Vec::new(), Vec::new());
                    for (partition, tally) in *tally {
                        let Some(owned) = owned.get(partition) else { return Err(topic.not_ours(*partition).into()) };
                        let owned = owned.after(tally, positions.next_offset(*partition));
                        let ours = |row: u32| partitions.get(row as usize) == Some(partition) && durable(row);
                        frames.push(topic.frame(&owned, writes, &ours, *time_ms));
                        next.push(owned);
                    }
                    append(topic, owned, next, frames, *time_ms).await?;
                }
            }
        }
        Ok(())
    }
}

/// Appends frames; only then partitions are as the frames say.
async fn append(
    topic: &TopicLog,
    owned: &mut BTreeMap<i32, Owned>,
    mut next: Vec<Owned>,
    frames: Vec<Vec<u8>>,
    time_ms: i64,
) -> Result<(), LedgerError> {
    if let Some(partition) = topic.append_frames(&mut next, frames, time_ms).await? {
        return Err(LedgerError::TakenOver(partition));
    }
    owned.extend(next.into_iter().map(|next| (next.partition, next)));
    Ok(())
}
