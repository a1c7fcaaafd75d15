//! Sources: where records come from.
//!
//! A source fills batches and knows positions. It never runs stages and never decides that a record is done: the
//! pipeline's writer does, and tells the [`Committer`], whose commit is only a hint (the changelog's last frame says
//! where to resume).

pub mod file;
pub mod generator;
pub mod http;
mod idle;
pub mod kafka;
pub mod log;
mod open;

pub use idle::Idle;
pub use open::open;

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::record::{Batch, Positions};

/// Reads records. Dropping a future of `fill` loses nothing that was not put into a batch.
pub trait Source: Send {
    /// Appends records to an empty batch until a limit is reached, or until `limits.linger` has passed since the first
    /// one. Waits for the first record at most about `limits.idle`, then says [`Filled::Idle`] or [`Filled::CaughtUp`].
    fn fill<'a>(
        &'a mut self,
        batch: &'a mut Batch,
        limits: &'a BatchLimits,
    ) -> BoxFuture<'a, Result<Filled, SourceError>>;

    /// What tells the source's own store (a consumer group, say) how far it was handled.
    fn committer(&self) -> Box<dyn Committer>;

    /// Records between what `fill` has returned and the end of each partition; none where it cannot be known.
    fn lags(&self) -> Vec<(i32, u64)> {
        Vec::new()
    }

    /// The same for all partitions; `None` where it cannot be known.
    fn lag(&self) -> Option<u64> {
        let lags = self.lags();
        (!lags.is_empty()).then(|| lags.iter().map(|(_, lag)| lag).sum())
    }

    /// Leaves the source in order (a consumer leaves its group).
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// What a source that shares its partitions with others asks of the pipeline. It is done once everything that `fill`
/// returned before is durable.
#[derive(Debug)]
pub enum Custody {
    /// Restore the state of partitions that are about to be read.
    TakeOver {
        /// The partitions.
        partitions: Vec<i32>,
        /// Told where to resume; a partition that is left out has not been read yet.
        done: oneshot::Sender<Positions>,
    },
    /// Finish what was read of partitions that are about to go.
    GiveUp {
        /// Told when it is committed.
        done: oneshot::Sender<()>,
    },
}

/// Whom a source asks, and what for.
#[derive(Debug, Clone)]
pub struct Custodian {
    /// Answered in order, between two batches. Nobody answers once the pipeline has ended.
    pub requests: mpsc::UnboundedSender<Custody>,
    /// Whether state moves with its partitions, so that each has to be taken over before it is read.
    pub restores: bool,
    /// How long giving up may take.
    pub deadline: Duration,
}

/// Tells a source's own store what is durable downstream.
pub trait Committer: Send {
    /// Stores the positions. A failure is reported and otherwise harmless.
    fn commit<'a>(&'a mut self, positions: &'a Positions) -> BoxFuture<'a, Result<(), SourceError>>;
}

/// A committer for sources that keep no positions of their own.
pub struct NoCommit;

impl Committer for NoCommit {
    fn commit<'a>(&'a mut self, _: &'a Positions) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async { Ok(()) })
    }
}

/// What a call of [`Source::fill`] ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// The batch holds at least one record.
    Records,
    /// There is nothing yet, and it is not known whether all was read.
    Idle,
    /// Everything that was in the source when `fill` was called has been returned (a poll of HTTP: has been answered).
    CaughtUp,
    /// There will never be more (the end of a file).
    End,
    /// Partitions are gone before what was read of them is durable: whatever is under way must be dropped, and the
    /// pipeline begun anew from its last commit.
    Lost,
}

/// How large a batch may become and how long it may wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most records in a batch.
    pub records: usize,
    /// Most bytes of values, keys and headers; one record that is larger makes a batch of its own.
    pub bytes: usize,
    /// How long a batch may wait for more records once it has one.
    pub linger: Duration,
    /// How long `fill` waits for the first record before it says that there is none.
    pub idle: Duration,
}

impl BatchLimits {
    /// Room to make for the bytes of a batch where the last one took so many. Those that are about full have the same room, so
    /// that their memory can be used again for any of them.
    pub(crate) fn room(&self, last: usize) -> usize {
        if last > self.bytes / 2 { self.bytes } else { last + last / 8 }
    }
}

/// What a source needs to know besides its own settings.
#[derive(Debug, Clone)]
pub struct OpenContext {
    /// The pipeline it belongs to.
    pub pipeline: std::sync::Arc<str>,
    /// Its `url`, without secrets.
    pub display: String,
    /// Folder of the embedded log.
    pub data_dir: std::path::PathBuf,
    /// Where the pipeline resumes; a partition that is not in it has not been read yet.
    pub resume: Positions,
    /// Answers when partitions come and go; a source without one keeps what it has.
    pub custodian: Option<Custodian>,
}

/// Why a source could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[error("source `{url}`: {message}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct SourceError {
    /// The source, without secrets.
    pub url: String,
    /// What was attempted and what came of it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether trying again may help; a source that was being read stays usable then.
    pub retryable: bool,
    /// When to try again, where the source knows better than its reader.
    pub retry_in: Option<Duration>,
}
