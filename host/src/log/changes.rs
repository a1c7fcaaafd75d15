//! How a reader learns that something was appended: at once from this process, within [`POLL`] from another one.
//!
//! Waking is a hint: a reader that is woken reads again and may find nothing. It is never missed, because the counter
//! is looked at before the read.

use std::{sync::Arc, time::Duration};

use rusqlite::Connection;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{Log, LogError, lock};

/// How often a waiting reader looks for what other processes have appended. One look costs some 10 µs.
pub const POLL: Duration = Duration::from_millis(40);

/// Waits for changes of a log.
pub struct Changes {
    log: Arc<Log>,
    seen: watch::Receiver<u64>,
}

/// A connection that only watches: SQLite's `data_version` changes on a connection whenever another one has committed.
pub(super) struct Watched {
    connection: Connection,
    version: i64,
}

impl Changes {
    pub(super) fn new(log: Arc<Log>) -> Self {
        let seen = log.changed.subscribe();
        Self { log, seen }
    }

    /// To be called before a read: what is appended from now on ends the next `wait`.
    pub fn mark(&mut self) {
        self.seen.borrow_and_update();
    }

    /// Waits until something was appended since the last `mark`, at most until `deadline`; `false` if nothing was.
    pub async fn wait(&mut self, deadline: Instant) -> Result<bool, LogError> {
        loop {
            let pause = deadline.min(Instant::now() + POLL);
            // the sender lives in `self.log`, so the channel cannot be closed
            if timeout_at(pause, self.seen.changed()).await.is_ok() {
                return Ok(true);
            }
            self.log.poll().await?;
            if self.seen.has_changed().unwrap_or(false) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }
}

impl Watched {
    pub(super) fn new(connection: Connection) -> rusqlite::Result<Self> {
        let version = data_version(&connection)?;
        Ok(Self { connection, version })
    }
}

impl Log {
    /// Wakes the readers if any connection has committed since the last poll.
    async fn poll(self: &Arc<Self>) -> Result<(), LogError> {
        self.blocking("watch for changes".to_owned(), |log| {
            let mut watched = lock(&log.watched);
            let version = data_version(&watched.connection)?;
            if version != watched.version {
                watched.version = version;
                log.bump();
            }
            Ok(())
        })
        .await
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
