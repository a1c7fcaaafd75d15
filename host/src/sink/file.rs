//! `file:` appends lines to a file.
//!
//! A row that is not reported as failed has reached the disk (fsync). A line that a crash or a full disk has torn is
//! ended with a line feed, when the file is opened or before the next write: the fragment stays as a line of its own,
//! and its record, which was never acknowledged, is written again whole. Nothing is ever cut off or overwritten.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::BoxFuture;

use super::{Failure, OpenContext, OpenError, Sink, WriteBatch, ndjson};
use crate::config::{FileSink, Format};

/// A file that lines are appended to.
#[derive(Debug)]
pub struct AppendedFile {
    format: Format,
    path: PathBuf,
    /// Behind a lock, so that a write whose future was dropped still ends before the next one begins.
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug)]
struct Lines {
    file: File,
    /// The last write failed and may have left a part of a line.
    torn: bool,
}

impl AppendedFile {
    /// Opens the file, which is created with its folders where it is missing, and ends a torn last line.
    pub async fn open(config: &FileSink, context: &OpenContext) -> Result<Self, OpenError> {
        let path = config.path.clone();
        let opened = tokio::task::spawn_blocking({
            let path = path.clone();
            move || open(&path)
        });
        let opened = opened.await.map_err(io::Error::other).flatten();
        let file = opened.map_err(|error| OpenError {
            url: context.display.clone(),
            message: format!("cannot open `{}` for appending: {error}", path.display()),
            hint: Some("check the path, its permissions and the free space".to_owned()),
            retryable: is_passing(&error),
        })?;
        let lines = Arc::new(Mutex::new(Lines { file, torn: false }));
        Ok(Self { format: config.format, path, lines })
    }
}

impl Sink for AppendedFile {
    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        let mut out = Vec::new();
        let mut failures = ndjson::append_lines(batch, rows, self.format, &mut out);
        let lines = Arc::clone(&self.lines);
        Box::pin(async move {
            let appending = tokio::task::spawn_blocking(move || {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.append(&out)
            });
            if let Err(error) = appending.await.map_err(io::Error::other).flatten() {
                let detail = format!("cannot append to `{}`: {error}", self.path.display());
                failures = retry_all(rows, failures, "write_failed", &detail);
            }
            failures
        })
    }
}

impl Lines {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        if self.torn {
            end_torn_line(&mut self.file)?;
        }
        self.torn = true;
        self.file.write_all(lines)?;
        // A pipe or a device keeps nothing to sync, and says that it cannot.
        if self.file.metadata()?.is_file() {
            self.file.sync_data()?;
        }
        self.torn = false;
        Ok(())
    }
}

/// Fails all rows that have not failed for good already; in the order of `rows`.
pub(super) fn retry_all(rows: &[u32], refused: Vec<Failure>, code: &'static str, detail: &str) -> Vec<Failure> {
    let mut refused = refused.into_iter().peekable();
    let failure = |row: &u32| {
        let known = refused.next_if(|failure| failure.row == *row);
        known.unwrap_or_else(|| Failure { row: *row, retryable: true, code, detail: detail.to_owned() })
    };
    rows.iter().map(failure).collect()
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    end_torn_line(&mut file)?;
    // The file's entry in its folder has to survive a crash too.
    if file.metadata()?.is_file() {
        file.sync_all()?;
    }
    sync_folder(path)?;
    Ok(file)
}

fn end_torn_line(file: &mut File) -> io::Result<()> {
    // What is not a regular file (a pipe, a device) has no last line to look at.
    if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether waiting may help: a full disk does, a path that is a folder does not.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ResourceBusy, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ResourceBusy)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Batch, Headers, Record};

    fn context() -> OpenContext {
        let (display, timeout) = ("file:out".to_owned(), Duration::from_secs(5));
        OpenContext { pipeline: "p".into(), display, data_dir: PathBuf::new(), dead_letters: false, timeout }
    }

    fn batch(values: &[&[u8]]) -> Arc<WriteBatch> {
        let mut batch = Batch::new("topic".into());
        for value in values {
            let headers = Headers::default();
            batch.push(Record { key: None, value: Some(value), headers, timestamp_ms: -1, partition: 0, offset: 0 });
        }
        Arc::new(WriteBatch::whole(batch))
    }

    async fn append(path: &Path, values: &[&[u8]], rows: &[u32]) -> Vec<Failure> {
        let config = FileSink { path: path.to_owned(), format: Format::Value };
        let mut sink = AppendedFile::open(&config, &context()).await.unwrap();
        sink.write(&batch(values), rows).await
    }

    #[tokio::test]
    async fn appends_the_rows_asked_for_and_keeps_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/out.ndjson");
        assert_eq!(append(&path, &[b"1", b"2", b"3"], &[0, 2]).await, []);
        assert_eq!(append(&path, &[b"4", b"x\ny"], &[0, 1]).await[0].code, "line_feed");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n3\n4\n");
    }

    #[tokio::test]
    async fn a_torn_last_line_is_ended_on_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        std::fs::write(&path, "{\"whole\":1}\n{\"to").unwrap();
        assert_eq!(append(&path, &[b"{}"], &[0]).await, []);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"whole\":1}\n{\"to\n{}\n");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_fails_every_row_for_a_retry_but_not_those_refused_for_good() {
        let lines = Lines { file: OpenOptions::new().append(true).open("/dev/full").unwrap(), torn: false };
        let (format, path, lines) = (Format::Value, PathBuf::from("/dev/full"), Arc::new(Mutex::new(lines)));
        let mut sink = AppendedFile { format, path, lines };
        let failures = sink.write(&batch(&[b"1", b"x\ny", b"2"]), &[0, 1, 2]).await;
        let seen: Vec<_> = failures.iter().map(|failure| (failure.row, failure.retryable)).collect();
        assert_eq!(seen, [(0, true), (1, false), (2, true)]);
        assert!(failures[0].detail.contains("/dev/full"), "{}", failures[0].detail);
    }

    #[tokio::test]
    async fn a_path_that_is_a_folder_is_no_matter_of_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let config = FileSink { path: folder.path().to_owned(), format: Format::Value };
        let error = AppendedFile::open(&config, &context()).await.unwrap_err();
        assert!(!error.retryable);
        assert!(error.to_string().starts_with("sink `file:out`: cannot open"), "{error}");
    }
}
