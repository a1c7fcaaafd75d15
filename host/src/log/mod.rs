//! The embedded log: durable, partitioned topics in one SQLite file, for those who have no Kafka.
//!
//! Records go in by batch and come out by partition and offset; consumer groups keep positions. Many processes may
//! have the file open: a batch is one transaction, fsynced before `append` returns, and readers in other processes see
//! it within [`POLL`]. All SQLite work happens on tokio's blocking threads. Nothing here deletes a record, assigns
//! partitions to readers, or knows of pipelines.

mod changes;
mod error;
mod partitioner;
mod schema;
mod store;
#[cfg(test)]
mod tests;

pub use changes::{Changes, POLL};
pub use error::LogError;
pub use partitioner::{murmur2, partition_of};

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::watch;

use crate::record::{Batch, Positions, Record};

/// Name of the database in the data folder.
pub const FILE_NAME: &str = "log.db";

/// The logs that this process has open, so that a reader is woken by a writer of the same process.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Log>>>> = Mutex::new(None);

/// An open log; shared by all its users in the process.
pub struct Log {
    file: PathBuf,
    /// One for all writers: SQLite has one writer at a time, and a mutex wakes the next one sooner than a busy wait.
    writer: Mutex<Connection>,
    /// Idle ones; a reader takes one or opens another.
    readers: Mutex<Vec<Connection>>,
    watched: Mutex<changes::Watched>,
    /// Counts changes; see [`Changes`].
    changed: watch::Sender<u64>,
    /// Where the next batch's records without key go.
    sticky: AtomicU32,
}

/// Records to append.
pub trait Records: Send + 'static {
    /// How many.
    fn len(&self) -> usize;
    /// Record `row` of them; its partition and offset do not matter.
    fn record(&self, row: usize) -> Record<'_>;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Records for Arc<Batch> {
    fn len(&self) -> usize {
        Batch::len(self)
    }

    fn record(&self, row: usize) -> Record<'_> {
        Batch::record(self, row)
    }
}

/// Where an appended record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// What to read.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// The topic.
    pub topic: Arc<str>,
    /// Partitions in the order in which to read them, each with its first offset.
    pub from: Vec<(i32, i64)>,
    /// Most records.
    pub max_records: usize,
    /// Most bytes of keys, values and headers; a first record is taken however large it is.
    pub max_bytes: usize,
}

/// A topic, and the next offset of each of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// The next offset that each partition will give; one entry per partition, also an empty one.
    pub ends: Positions,
}

impl Log {
    /// Opens the log of a data folder, creating both where they are missing. All callers of a process share one.
    pub async fn open(data_dir: &Path) -> Result<Arc<Self>, LogError> {
        let folder = data_dir.to_owned();
        let stopped = || LogError::Stopped { action: "open a connection".to_owned(), file: data_dir.join(FILE_NAME) };
        tokio::task::spawn_blocking(move || Self::open_shared(folder)).await.map_err(|_| stopped())?
    }

    fn open_shared(folder: PathBuf) -> Result<Arc<Self>, LogError> {
        let canonical = std::fs::create_dir_all(&folder).and_then(|()| folder.canonicalize());
        let file = canonical.map_err(|source| LogError::Folder { folder, source })?.join(FILE_NAME);
        // held while opening, so that two callers never open the same file twice
        let mut open = lock(&OPEN);
        let open = open.get_or_insert_default();
        if let Some(log) = open.get(&file).and_then(Weak::upgrade) {
            return Ok(log);
        }
        let log = Self::open_apart(file.clone())?;
        open.retain(|_, log| log.strong_count() > 0);
        open.insert(file, Arc::downgrade(&log));
        Ok(log)
    }

    /// Opens the file as a process of its own would.
    fn open_apart(file: PathBuf) -> Result<Arc<Self>, LogError> {
        let writer = schema::connect(&file)?;
        let watched = changes::Watched::new(schema::connect(&file)?);
        let watched = watched.map_err(|source| LogError::Sqlite {
            action: "watch for changes".to_owned(),
            file: file.clone(),
            source,
        })?;
        Ok(Arc::new(Self {
            file,
            writer: Mutex::new(writer),
            readers: Mutex::new(Vec::new()),
            watched: Mutex::new(watched),
            changed: watch::Sender::new(0),
            sticky: AtomicU32::new(0),
        }))
    }

    /// Creates a topic with that many partitions (at least one) unless it exists; says how many it has.
    pub async fn create_topic(self: &Arc<Self>, topic: &str, partitions: u32) -> Result<u32, LogError> {
        let topic: Arc<str> = topic.into();
        self.blocking(format!("create topic `{topic}`"), move |log| {
            let mut writer = log.writer(schema::LOCK_WAIT)?;
            // the usual case costs no transaction and no fsync
            if let Some(id) = store::topic_id(&writer, &topic)? {
                return Ok(store::end_offsets(&writer, id)?.len() as u32);
            }
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let id = store::topic_id_or_new(&transaction, &topic, partitions)?;
            let partitions = store::end_offsets(&transaction, id)?.len() as u32;
            transaction.commit()?;
            log.bump();
            Ok(partitions)
        })
        .await
    }

    /// Appends all records or none, in order; when it returns they are on the disk. The topic is created with
    /// `partitions_if_new` partitions where it is missing. Waits up to `lock_wait` for another process that writes.
    /// Says of each record where it went. Dropping the future does not stop the append.
    pub async fn append(
        self: &Arc<Self>,
        topic: &str,
        partitions_if_new: u32,
        records: impl Records,
        lock_wait: Duration,
    ) -> Result<Vec<Appended>, LogError> {
        let topic: Arc<str> = topic.into();
        let action = format!("append {} records to topic `{topic}`", records.len());
        self.blocking(action, move |log| {
            let sticky = log.sticky.fetch_add(1, Ordering::Relaxed);
            let mut writer = log.writer(lock_wait)?;
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let id = store::topic_id_or_new(&transaction, &topic, partitions_if_new)?;
            let appended = store::append(&transaction, id, &records, sticky, now_ms())?;
            transaction.commit()?;
            log.bump();
            Ok(appended)
        })
        .await
    }

    /// Reads into `into` and hands it back with the topic's ends as of the same moment; `None` for the ends where there
    /// is no such topic yet.
    pub async fn read(
        self: &Arc<Self>,
        request: ReadRequest,
        mut into: Batch,
    ) -> Result<(Batch, Option<Positions>), LogError> {
        self.blocking(format!("read topic `{}`", request.topic), move |log| {
            log.with_reader(|connection| {
                let snapshot = connection.transaction()?;
                let Some(id) = store::topic_id(&snapshot, &request.topic)? else {
                    return Ok((into, None));
                };
                store::read(&snapshot, id, &request, &mut into)?;
                Ok((into, Some(store::end_offsets(&snapshot, id)?.into_iter().collect())))
            })
        })
        .await
    }

    /// The next offset that each partition will give, or `None` where there is no such topic yet.
    pub async fn end_offsets(self: &Arc<Self>, topic: &str) -> Result<Option<Positions>, LogError> {
        let topic: Arc<str> = topic.into();
        self.blocking(format!("read the ends of topic `{topic}`"), move |log| {
            log.with_reader(|connection| {
                let Some(id) = store::topic_id(connection, &topic)? else { return Ok(None) };
                Ok(Some(store::end_offsets(connection, id)?.into_iter().collect()))
            })
        })
        .await
    }

    /// Stores how far a group has handled a topic. The positions outlive the process at once, a crash of the machine
    /// only after the next append: they are a hint, not worth an fsync.
    pub async fn commit(self: &Arc<Self>, group: &str, topic: &str, positions: &Positions) -> Result<(), LogError> {
        let (group, positions) = (group.to_owned(), positions.clone());
        let (action, topic) = (format!("commit positions of group `{group}` in topic `{topic}`"), topic.to_owned());
        let no_topic = LogError::NoTopic { action: action.clone(), file: self.file.clone(), topic: topic.clone() };
        self.blocking(action, move |log| {
            let mut writer = log.writer(schema::LOCK_WAIT)?;
            let Some(id) = store::topic_id(&writer, &topic)? else { return Ok(false) };
            writer.pragma_update(None, "synchronous", "NORMAL")?;
            let done = (|| {
                let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
                store::commit(&transaction, &group, id, &positions)?;
                transaction.commit()
            })();
            // an append must never find the weaker setting
            writer.pragma_update(None, "synchronous", "FULL")?;
            done.map(|()| true)
        })
        .await?
        .then_some(())
        .ok_or(no_topic)
    }

    /// How far a group has handled a topic; empty where nothing is known.
    pub async fn committed(self: &Arc<Self>, group: &str, topic: &str) -> Result<Positions, LogError> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.blocking(format!("read the positions of group `{group}` in topic `{topic}`"), move |log| {
            log.with_reader(|connection| store::committed(connection, &group, &topic))
        })
        .await
    }

    /// All topics, by name.
    pub async fn topics(self: &Arc<Self>) -> Result<Vec<Topic>, LogError> {
        self.blocking("list the topics".to_owned(), |log| {
            log.with_reader(|connection| {
                let snapshot = connection.transaction()?;
                store::topics(&snapshot)
            })
        })
        .await
    }

    /// What wakes a reader when something was appended.
    pub fn changes(self: &Arc<Self>) -> Changes {
        Changes::new(Arc::clone(self))
    }

    /// Runs `work` on a blocking thread; `action` says in an error what was attempted.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        action: String,
        work: impl FnOnce(&Self) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LogError> {
        let log = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&log)).await {
            Ok(done) => done.map_err(|source| LogError::Sqlite { action, file: self.file.clone(), source }),
            Err(_) => Err(LogError::Stopped { action, file: self.file.clone() }),
        }
    }

    fn writer(&self, lock_wait: Duration) -> rusqlite::Result<MutexGuard<'_, Connection>> {
        let writer = lock(&self.writer);
        writer.busy_timeout(lock_wait)?;
        Ok(writer)
    }

    fn with_reader<T>(&self, read: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = lock(&self.readers).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => schema::reconnect(&self.file)?,
        };
        let done = read(&mut connection)?;
        lock(&self.readers).push(connection);
        Ok(done)
    }

    /// Wakes the readers of this process.
    fn bump(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// A panic while a connection was held leaves it usable: an open transaction is rolled back when it is dropped.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
