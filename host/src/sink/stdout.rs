//! `stdout:` prints lines to the terminal, or to whatever reads this process.
//!
//! Each write is flushed before it is acknowledged; beyond the pipe nothing is known. When the reader is gone (a
//! closed pipe) no line will ever be taken again: every row then fails with the code [`CLOSED`](super::CLOSED),
//! which ends the pipeline, since neither a retry nor a dead letter would make sense.

use std::{
    io::{self, Write},
    sync::Arc,
};

use futures::future::BoxFuture;

use super::{CLOSED, Failure, OpenContext, OpenError, Sink, WriteBatch, file::retry_all, ndjson};
use crate::config::Format;

/// Standard output.
#[derive(Debug)]
pub struct Stdout {
    format: Format,
}

impl Stdout {
    /// There is nothing to open.
    pub async fn open(format: Format, _: &OpenContext) -> Result<Self, OpenError> {
        Ok(Self { format })
    }
}

impl Sink for Stdout {
    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        let mut out = Vec::new();
        let refused = ndjson::append_lines(batch, rows, self.format, &mut out);
        Box::pin(async move {
            // A reader that does not read blocks the write; that must not be a thread of the runtime.
            let printed = tokio::task::spawn_blocking(move || print(&mut io::stdout().lock(), &out));
            outcome(printed.await.map_err(io::Error::other).flatten(), rows, refused)
        })
    }
}

fn print(to: &mut impl Write, lines: &[u8]) -> io::Result<()> {
    to.write_all(lines)?;
    to.flush()
}

fn outcome(printed: io::Result<()>, rows: &[u32], refused: Vec<Failure>) -> Vec<Failure> {
    match printed {
        Ok(()) => refused,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            retry_all(rows, refused, CLOSED, "standard output was closed by its reader")
        }
        Err(error) => retry_all(rows, refused, "write_failed", &format!("cannot write to standard output: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_fails_every_row_as_closed() {
        let failures = outcome(Err(io::ErrorKind::BrokenPipe.into()), &[3, 4], Vec::new());
        let seen: Vec<_> = failures.iter().map(|failure| (failure.row, failure.code, failure.retryable)).collect();
        assert_eq!(seen, [(3, CLOSED, true), (4, CLOSED, true)]);
    }
}
