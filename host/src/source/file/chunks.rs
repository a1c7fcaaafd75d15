//! A file's bytes, a chunk at a time: read by a thread that may block, straight into the buffer that lines are taken from.

use std::{fs::File, io, sync::Arc};

use rustix::{buffer::spare_capacity, io::Errno};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much is read at a time.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Chunks {
    file: Arc<File>,
    /// Stays where whoever waited for it has gone: what it reads is what comes next.
    under_way: Option<JoinHandle<(Vec<u8>, io::Result<usize>)>>,
}

impl Chunks {
    /// Goes on where the file stands.
    pub fn new(file: File) -> Self {
        Self { file: Arc::new(file), under_way: None }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Appends what comes next; 0 bytes are the end. Where this future is dropped, the buffer is empty, and its bytes are back
    /// with the next call.
    pub async fn append_to(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let reading = self.under_way.get_or_insert_with(|| {
            let (file, mut bytes) = (self.file.clone(), std::mem::take(buffer));
            spawn_blocking(move || {
                bytes.reserve(CHUNK_BYTES);
                let read = read(&file, &mut bytes);
                (bytes, read)
            })
        });
        let read = reading.await;
        self.under_way = None;
        let (bytes, read) = read.map_err(io::Error::other)?;
        *buffer = bytes;
        read
    }
}

fn read(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match rustix::io::read(file, spare_capacity(buffer)) {
            Err(Errno::INTR) => {}
            read => return Ok(read?),
        }
    }
}
