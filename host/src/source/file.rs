//! Source: a file, a record per line.
//!
//! A line is a record whatever it holds: an empty one, invalid UTF-8 and NULs are passed on untouched, and of a CRLF
//! the CR stays part of the value (white space to JSON, and a dead letter keeps its original bytes). A last line
//! without line feed counts, unless the file is followed: then it is unfinished, and waited for.
//!
//! All is partition 0. A record's offset is the index in the file of the **last byte of its line**, the line feed as a
//! rule. So the next offset to read, one more, is the byte at which the next line begins.

mod chunks;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    time::{Instant, sleep_until},
};

use self::chunks::Chunks;

use super::{BatchLimits, Committer, Filled, NoCommit, OpenContext, Source, SourceError};
use crate::{
    config::FileSource,
    record::{Batch, Headers, Record},
};

/// Longest line. A longer one is not a record of a stream but a file without lines, and would be held in memory.
const MAX_LINE_BYTES: usize = 16 << 20;
/// How often a followed file is looked at for more.
const POLL: Duration = Duration::from_millis(50);

/// Reads a file line by line.
#[derive(Debug)]
pub struct FileSourceReader {
    chunks: Chunks,
    path: PathBuf,
    display: String,
    topic: Arc<str>,
    follow: bool,
    max_line: usize,
    /// Bytes that were read and not yet returned; they begin at `taken`.
    buffer: Vec<u8>,
    taken: usize,
    /// Up to here `buffer` holds no line feed (counted from its beginning), so that a long line is searched once.
    searched: usize,
    /// Where in the file `buffer[taken]` stands.
    position: u64,
    at_end: bool,
    /// Records of the last batch and the bytes of their values: the next one will be about as large.
    usual: (usize, usize),
}

/// Opens the file at the position to resume at.
pub async fn open(config: &FileSource, context: &OpenContext) -> Result<FileSourceReader, SourceError> {
    open_with(config, context, MAX_LINE_BYTES).await
}

async fn open_with(
    config: &FileSource,
    context: &OpenContext,
    max_line: usize,
) -> Result<FileSourceReader, SourceError> {
    let failed = |message: String, hint: Option<String>, retryable| SourceError {
        url: context.display.clone(),
        message,
        hint,
        retryable,
        retry_in: None,
    };
    let file = File::open(&config.path).await.map_err(|error| {
        // a file that is followed may be made later
        let retryable = config.follow && error.kind() == std::io::ErrorKind::NotFound;
        failed(format!("cannot open `{}`: {error}", config.path.display()), None, retryable)
    })?;
    let chunks = file.try_clone().await.map_err(|error| failed(error.to_string(), None, true))?;
    let mut reader = FileSourceReader {
        chunks: Chunks::new(chunks.into_std().await),
        path: config.path.clone(),
        topic: config.path.to_string_lossy().into(),
        follow: config.follow,
        max_line,
        buffer: Vec::new(),
        taken: 0,
        searched: 0,
        position: u64::try_from(context.resume.next_offset(0).unwrap_or(0)).unwrap_or(0),
        at_end: false,
        usual: (0, 0),
        display: context.display.clone(),
    };
    let metadata = reader.chunks.file().metadata().map_err(|error| reader.unreadable(&error))?;
    if metadata.is_dir() {
        return Err(reader.failed("is a folder".to_owned(), "name a file of records, one per line"));
    }
    if reader.position > 0 {
        reader.check_length()?;
        reader.resume(file).await?;
    }
    Ok(reader)
}

impl FileSourceReader {
    /// Goes to the position to resume at, which must be the beginning of a line.
    async fn resume(&mut self, mut file: File) -> Result<(), SourceError> {
        let before = self.position.saturating_sub(1);
        let mut around = [0; 2];
        file.seek(std::io::SeekFrom::Start(before)).await.map_err(|error| self.unreadable(&error))?;
        let mut found = 0;
        while let Some(room) = around.get_mut(found..).filter(|room| !room.is_empty()) {
            match file.read(room).await.map_err(|error| self.unreadable(&error))? {
                0 => break,
                n => found += n,
            }
        }
        match (found, around) {
            // the end of a line, or of a file that has not grown since
            (2, [b'\n', _]) | (1, _) => {}
            // the last line had no line feed then, and has got one
            (2, [_, b'\n']) => self.position += 1,
            _ => {
                let what = format!("changed: the line that ended at byte {} goes on now", self.position);
                return Err(self.failed(what, REMOVE_STATE));
            }
        }
        file.seek(std::io::SeekFrom::Start(self.position)).await.map_err(|error| self.unreadable(&error))?;
        Ok(())
    }

    /// Refuses a file that has got shorter than what was read of it.
    fn check_length(&self) -> Result<(), SourceError> {
        let metadata = self.chunks.file().metadata().map_err(|error| self.unreadable(&error))?;
        let reached = self.position + (self.buffer.len() - self.taken) as u64;
        if metadata.is_file() && metadata.len() < reached {
            let what = format!("has {} bytes and was read up to byte {reached} before", metadata.len());
            return Err(self.failed(what, REMOVE_STATE));
        }
        Ok(())
    }

    /// Moves complete lines from the buffer to the batch; `true` once a limit of the batch is reached.
    fn take_lines(&mut self, batch: &mut Batch, limits: &BatchLimits) -> bool {
        while batch.len() < limits.records {
            let unread = self.buffer.get(self.taken..).unwrap_or_default();
            let from = self.searched.saturating_sub(self.taken);
            let Some(at) = memchr::memchr(b'\n', unread.get(from..).unwrap_or_default()) else {
                self.searched = self.buffer.len();
                return false;
            };
            let length = from + at;
            if !self.take(batch, length, 1, limits) {
                return true;
            }
        }
        true
    }

    /// Moves a line of that length to the batch unless it is too large for it; `feed` is the length of its line end.
    fn take(&mut self, batch: &mut Batch, length: usize, feed: usize, limits: &BatchLimits) -> bool {
        if !batch.is_empty() && batch.bytes() + length > limits.bytes {
            return false;
        }
        let line = self.buffer.get(self.taken..self.taken + length).unwrap_or_default();
        let next = self.position + (length + feed) as u64;
        batch.push(Record {
            key: None,
            value: Some(line),
            headers: Headers::default(),
            timestamp_ms: -1,
            partition: 0,
            offset: i64::try_from(next - 1).unwrap_or(i64::MAX),
        });
        self.position = next;
        self.taken += length + feed;
        self.searched = self.taken;
        true
    }

    /// Reads some more of the file into the buffer. Dropping the future loses nothing: see [`Chunks::append_to`].
    async fn read_more(&mut self) -> Result<(), SourceError> {
        let unfinished = self.buffer.len() - self.taken;
        if unfinished > self.max_line {
            let what = format!("has a line of more than {} bytes that begins at byte {}", self.max_line, self.position);
            return Err(self.failed(what, "a record is a line; check that the file has one record per line"));
        }
        self.buffer.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        let read = self.chunks.append_to(&mut self.buffer).await.map_err(|error| self.unreadable(&error))?;
        self.at_end = read == 0;
        Ok(())
    }

    async fn fill_batch(&mut self, batch: &mut Batch, limits: &BatchLimits) -> Result<Filled, SourceError> {
        batch.topic = Arc::clone(&self.topic);
        let deadline = Instant::now() + limits.idle;
        let (records, bytes) = self.usual;
        batch.reserve(records.min(limits.records), limits.room(bytes));
        loop {
            if self.take_lines(batch, limits) {
                self.usual = (batch.len(), batch.values.bytes());
                return Ok(Filled::Records);
            }
            self.read_more().await?;
            if !self.at_end {
                continue;
            }
            let rest = self.buffer.len() - self.taken;
            if !self.follow && rest > 0 && !self.take(batch, rest, 0, limits) {
                return Ok(Filled::Records);
            }
            if !batch.is_empty() {
                return Ok(Filled::Records);
            }
            if !self.follow {
                return Ok(Filled::End);
            }
            self.check_length()?;
            if Instant::now() >= deadline {
                return Ok(Filled::CaughtUp);
            }
            sleep_until(deadline.min(Instant::now() + POLL)).await;
        }
    }

    fn failed(&self, what: String, hint: &str) -> SourceError {
        SourceError {
            url: self.display.clone(),
            message: format!("`{}` {what}", self.path.display()),
            hint: Some(hint.to_owned()),
            retryable: false,
            retry_in: None,
        }
    }

    fn unreadable(&self, error: &std::io::Error) -> SourceError {
        SourceError {
            url: self.display.clone(),
            message: format!("cannot read `{}` at byte {}: {error}", Path::display(&self.path), self.position),
            hint: None,
            retryable: true,
            retry_in: None,
        }
    }
}

const REMOVE_STATE: &str = "the file was cut or replaced since; bring the old one back, or remove the pipeline's state \
                            to read this one from its beginning";

impl Source for FileSourceReader {
    fn fill<'a>(
        &'a mut self,
        batch: &'a mut Batch,
        limits: &'a BatchLimits,
    ) -> BoxFuture<'a, Result<Filled, SourceError>> {
        Box::pin(self.fill_batch(batch, limits))
    }

    fn committer(&self) -> Box<dyn Committer> {
        Box::new(NoCommit)
    }
}

#[cfg(test)]
mod tests;
