//! Source: a topic of the embedded log.
//!
//! In come the positions to go on from, out go batches of records that have been in the log. One reader takes all
//! partitions of the topic: the embedded log does not share them out among the members of a group. A topic that does
//! not exist yet is waited for. Never writes but the group's positions.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{BatchLimits, Committer, Filled, OpenContext, Source, SourceError};
use crate::{
    config::{LogSource, Start},
    log::{Changes, Log, LogError, ReadRequest},
    record::{Batch, Positions},
};

/// Reads a topic of the embedded log.
pub struct LogSourceReader {
    log: Arc<Log>,
    changes: Changes,
    topic: Arc<str>,
    group: String,
    context: OpenContext,
    /// The next offset to read of each partition; those that are missing begin at 0.
    positions: Positions,
    /// The topic's ends when it was last read; empty while there is no topic.
    ends: Positions,
    /// Which partition is read first; moves on with each read, so that none is starved by a busy one.
    turn: usize,
    /// Filled on a blocking thread while the caller's batch stays untouched, then swapped or copied.
    spare: Batch,
}

/// Opens the topic. The changelog's positions win over the group's, those over `start`.
pub async fn open(config: &LogSource, context: &OpenContext) -> Result<LogSourceReader, SourceError> {
    let failed = |error: LogError| from_log(&context.display, &error);
    let log = Log::open(&context.data_dir).await.map_err(failed)?;
    let ends = log.end_offsets(&config.topic).await.map_err(failed)?;
    let committed = log.committed(&config.group, &config.topic).await.map_err(failed)?;

    let mut positions: Positions = committed.iter().filter(|(p, _)| context.resume.next_offset(*p).is_none()).collect();
    positions.merge(&context.resume);
    let unknown = Positions::default();
    check(&config.topic, &positions, ends.as_ref().unwrap_or(&unknown), context)?;

    if config.start == Start::Latest
        && let Some(ends) = &ends
    {
        let began: Positions = ends.iter().filter(|(p, _)| positions.next_offset(*p).is_none()).collect();
        if !began.is_empty() {
            positions.merge(&began);
            // or a restart before the first commit would skip what has arrived in between
            log.commit(&config.group, &config.topic, &positions).await.map_err(failed)?;
        }
    }
    let topic: Arc<str> = config.topic.as_str().into();
    Ok(LogSourceReader {
        changes: log.changes(),
        log,
        spare: Batch::new(Arc::clone(&topic)),
        topic,
        group: config.group.clone(),
        context: context.clone(),
        positions,
        ends: ends.unwrap_or_default(),
        turn: 0,
    })
}

/// Refuses to go on behind the end of the topic: the records at these offsets would be other ones.
fn check(topic: &str, positions: &Positions, ends: &Positions, context: &OpenContext) -> Result<(), SourceError> {
    for (partition, next) in positions.iter() {
        let end = ends.next_offset(partition).unwrap_or(0);
        if next > end {
            return Err(SourceError {
                url: context.display.clone(),
                message: format!(
                    "cannot resume pipeline `{}` at offset {next} of partition {partition} of topic `{topic}`: \
                     the topic ends at offset {end}",
                    context.pipeline
                ),
                hint: Some(format!(
                    "the topic was removed or made anew since; remove the pipeline's state below `{}` to begin from \
                     the start, or bring the old `{}` back",
                    context.data_dir.display(),
                    crate::log::FILE_NAME
                )),
                retryable: false,
                retry_in: None,
            });
        }
    }
    Ok(())
}

impl LogSourceReader {
    /// Reads into `spare` once, without waiting.
    async fn read(&mut self, max_records: usize, max_bytes: usize) -> Result<(), SourceError> {
        let mut from: Vec<(i32, i64)> =
            self.ends.iter().map(|(p, _)| (p, self.positions.next_offset(p).unwrap_or(0))).collect();
        if !from.is_empty() {
            let turn = self.turn % from.len();
            from.rotate_left(turn);
        }
        self.turn = self.turn.wrapping_add(1);
        let request = ReadRequest { topic: Arc::clone(&self.topic), from, max_records, max_bytes };
        let mut spare = std::mem::replace(&mut self.spare, Batch::new(Arc::clone(&self.topic)));
        spare.clear();
        self.changes.mark();
        let done = self.log.read(request, spare).await.map_err(|error| from_log(&self.context.display, &error))?;
        self.spare = done.0;
        self.ends = done.1.unwrap_or_default();
        // a topic that is removed while it is read would otherwise look like one without news
        check(&self.topic, &self.positions, &self.ends, &self.context)
    }

    /// Waits until something may have arrived; `false` once the deadline has passed.
    async fn wait(&mut self, deadline: Instant) -> Result<bool, SourceError> {
        self.changes.wait(deadline).await.map_err(|error| from_log(&self.context.display, &error))
    }

    async fn fill_batch(&mut self, batch: &mut Batch, limits: &BatchLimits) -> Result<Filled, SourceError> {
        batch.topic = Arc::clone(&self.topic);
        let mut deadline = Instant::now() + limits.idle;
        loop {
            let had_topic = !self.ends.is_empty();
            self.read(limits.records - batch.len(), limits.bytes.saturating_sub(batch.bytes())).await?;
            if !had_topic && !self.ends.is_empty() {
                // the topic has just appeared; its partitions were not in the request
                continue;
            }
            if !self.spare.is_empty() {
                if batch.is_empty() {
                    deadline = Instant::now() + limits.linger;
                    std::mem::swap(batch, &mut self.spare);
                } else if batch.bytes() + self.spare.bytes() <= limits.bytes {
                    append(batch, &self.spare);
                } else {
                    break;
                }
                // only now: what a dropped future has read is read again
                self.positions.merge(&batch.positions());
            }
            // what is left over after a read did not fit
            let full = batch.len() >= limits.records || self.lag() > Some(0);
            if full || Instant::now() >= deadline || !self.wait(deadline).await? {
                break;
            }
        }
        Ok(if batch.is_empty() { Filled::CaughtUp } else { Filled::Records })
    }
}

fn append(batch: &mut Batch, more: &Batch) {
    for row in 0..more.len() {
        batch.push(more.record(row));
    }
}

impl Source for LogSourceReader {
    fn fill<'a>(
        &'a mut self,
        batch: &'a mut Batch,
        limits: &'a BatchLimits,
    ) -> BoxFuture<'a, Result<Filled, SourceError>> {
        Box::pin(self.fill_batch(batch, limits))
    }

    fn committer(&self) -> Box<dyn Committer> {
        Box::new(LogCommitter {
            log: Arc::clone(&self.log),
            topic: Arc::clone(&self.topic),
            group: self.group.clone(),
            display: self.context.display.clone(),
        })
    }

    fn lags(&self) -> Vec<(i32, u64)> {
        let left = self.ends.iter().map(|(partition, end)| {
            let next = self.positions.next_offset(partition).unwrap_or(0);
            (partition, u64::try_from(end - next).unwrap_or(0))
        });
        left.collect()
    }
}

/// Commits a group's positions in the log.
struct LogCommitter {
    log: Arc<Log>,
    topic: Arc<str>,
    group: String,
    display: String,
}

impl Committer for LogCommitter {
    fn commit<'a>(&'a mut self, positions: &'a Positions) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let done = self.log.commit(&self.group, &self.topic, positions).await;
            done.map_err(|error| from_log(&self.display, &error))
        })
    }
}

fn from_log(display: &str, error: &LogError) -> SourceError {
    SourceError {
        url: display.to_owned(),
        message: error.with_cause(),
        hint: None,
        retryable: error.is_retryable(),
        retry_in: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::record::{Headers, Record};

    fn config(start: Start) -> LogSource {
        LogSource { topic: "t".to_owned(), group: "g".to_owned(), start }
    }

    fn context(folder: &Path, resume: &[(i32, i64)]) -> OpenContext {
        OpenContext {
            pipeline: "p".into(),
            display: "log:t".to_owned(),
            data_dir: folder.to_owned(),
            resume: resume.iter().copied().collect(),
            custodian: None,
        }
    }

    fn limits() -> BatchLimits {
        BatchLimits { records: 1000, bytes: 1 << 20, linger: Duration::ZERO, idle: Duration::ZERO }
    }

    fn values(values: &[&str]) -> Arc<Batch> {
        let mut batch = Batch::new("made".into());
        for value in values {
            let key = Some(value.as_bytes());
            let headers = Headers::default();
            batch.push(Record { key, value: key, headers, timestamp_ms: 1, partition: 0, offset: 0 });
        }
        Arc::new(batch)
    }

    async fn write(folder: &Path, partitions: u32, texts: &[&str]) {
        let log = Log::open(folder).await.unwrap();
        log.append("t", partitions, values(texts), Duration::from_secs(5)).await.unwrap();
    }

    async fn fill(source: &mut LogSourceReader, limits: &BatchLimits) -> (Filled, Batch) {
        let mut batch = Batch::new("".into());
        let filled = source.fill(&mut batch, limits).await.unwrap();
        (filled, batch)
    }

    #[tokio::test]
    async fn every_record_of_all_partitions_comes_once_and_lag_counts_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<String> = (0..500).map(|i| i.to_string()).collect();
        write(folder.path(), 4, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let mut source = open(&config(Start::Earliest), &context(folder.path(), &[])).await.unwrap();
        assert_eq!(source.lag(), Some(500));
        let mut seen = Vec::new();
        loop {
            let (filled, batch) = fill(&mut source, &BatchLimits { records: 64, ..limits() }).await;
            if filled == Filled::CaughtUp {
                assert!(batch.is_empty());
                break;
            }
            assert!(batch.len() <= 64);
            assert_eq!(&*batch.topic, "t");
            seen.extend(batch.values.iter().map(|value| String::from_utf8(value.to_vec()).unwrap()));
            assert_eq!(source.lag(), Some(500 - seen.len() as u64));
        }
        seen.sort_by_key(|value| value.parse::<u32>().unwrap());
        assert_eq!(seen, texts);
    }

    #[tokio::test]
    async fn the_changelog_wins_over_the_group_and_that_over_start() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1, &["a", "b", "c"]).await;
        let log = Log::open(folder.path()).await.unwrap();
        let first = async |start, resume: &[(i32, i64)]| {
            let mut source = open(&config(start), &context(folder.path(), resume)).await.unwrap();
            fill(&mut source, &limits()).await.1.offsets.first().copied()
        };
        assert_eq!(first(Start::Earliest, &[]).await, Some(0));
        log.commit("g", "t", &[(0, 2)].into_iter().collect()).await.unwrap();
        assert_eq!(first(Start::Earliest, &[]).await, Some(2));
        assert_eq!(first(Start::Latest, &[]).await, Some(2));
        // also a step back: a commit may be ahead of a changelog that was restored from a copy
        assert_eq!(first(Start::Earliest, &[(0, 1)]).await, Some(1));
        assert_eq!(first(Start::Earliest, &[(0, 3)]).await, None);
    }

    #[tokio::test]
    async fn latest_begins_at_the_end_and_keeps_that_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1, &["old"]).await;
        drop(open(&config(Start::Latest), &context(folder.path(), &[])).await.unwrap());
        write(folder.path(), 1, &["new"]).await;
        let mut source = open(&config(Start::Latest), &context(folder.path(), &[])).await.unwrap();
        assert_eq!(fill(&mut source, &limits()).await.1.values.get(0), b"new");
    }

    #[tokio::test]
    async fn a_position_behind_the_end_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1, &["a", "b"]).await;
        let Err(error) = open(&config(Start::Earliest), &context(folder.path(), &[(0, 7)])).await else {
            panic!("opened")
        };
        assert!(!error.retryable);
        let text = error.to_string();
        for part in ["offset 7", "partition 0", "topic `t`", "ends at offset 2", "remove the pipeline's state"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        // a topic that is gone altogether is the same case
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(open(&config(Start::Earliest), &context(elsewhere.path(), &[(0, 1)])).await.is_err());
    }

    #[tokio::test]
    async fn a_topic_that_appears_later_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut source = open(&config(Start::Latest), &context(folder.path(), &[])).await.unwrap();
        assert_eq!(fill(&mut source, &limits()).await.0, Filled::CaughtUp);
        let waiting = tokio::spawn(async move {
            let (filled, batch) = fill(&mut source, &BatchLimits { idle: Duration::from_secs(30), ..limits() }).await;
            (filled, batch.len())
        });
        write(folder.path(), 2, &["a", "b", "c"]).await;
        assert_eq!(waiting.await.unwrap(), (Filled::Records, 3));
    }

    #[tokio::test]
    async fn a_batch_waits_for_more_within_its_linger() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1, &["a"]).await;
        let mut source = open(&config(Start::Earliest), &context(folder.path(), &[])).await.unwrap();
        let limits = BatchLimits { records: 2, linger: Duration::from_secs(30), ..limits() };
        let mut batch = Batch::new("".into());
        let mut filling = source.fill(&mut batch, &limits);
        assert!(futures::poll!(&mut filling).is_pending());
        write(folder.path(), 1, &["b"]).await;
        assert_eq!(filling.await.unwrap(), Filled::Records);
        assert_eq!(batch.offsets, [0, 1]);
        assert_eq!(batch.values.iter().collect::<Vec<_>>(), [b"a", b"b"]);
    }

    #[tokio::test]
    async fn what_the_committer_stores_is_where_the_next_reader_begins() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1, &["a", "b", "c"]).await;
        let mut source = open(&config(Start::Earliest), &context(folder.path(), &[])).await.unwrap();
        let (_, batch) = fill(&mut source, &BatchLimits { records: 2, ..limits() }).await;
        source.committer().commit(&batch.positions()).await.unwrap();
        let mut next = open(&config(Start::Earliest), &context(folder.path(), &[])).await.unwrap();
        assert_eq!(fill(&mut next, &limits()).await.1.offsets, [2]);
    }
}
