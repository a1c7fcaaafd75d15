//! What a pipeline's changelog says of its records, read beside whoever uses it: nothing is locked, cut off or kept.
//!
//! The last segment is enough, as each begins with all totals. It is read frame by frame; one that is being written at
//! this moment ends the reading, and the frames before it count.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use super::{
    Cause, ChangelogError, Seconds, Totals,
    frame::{FRAME_HEAD, FrameReader, MAX_PAYLOAD, Malformed, read_payload},
    segment::{MAGIC_BYTES, after_magic, damaged, io_error, segments},
};
use crate::record::Handled;

/// A segment may be replaced between finding and opening it, but hardly this often.
const ATTEMPTS: usize = 5;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peeked {
    /// What became of the records since the pipeline first ran.
    pub totals: Totals,
    /// Dead letters that have been dealt with.
    pub handled: Handled,
    /// When that was committed, in Unix milliseconds.
    pub time_ms: i64,
}

/// The totals at the last commit of the changelog in `folder`; `None` where there is none.
pub fn peek(folder: &Path) -> Result<Option<Peeked>, ChangelogError> {
    let mut attempts = 0;
    loop {
        if !folder.exists() {
            return Ok(None);
        }
        let Some(last) = segments(folder)?.pop() else { return Ok(None) };
        attempts += 1;
        match File::open(&last) {
            Ok(file) => return read(BufReader::new(file), &last).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS => {}
            Err(error) => return Err(io_error("open", &last)(error)),
        }
    }
}

fn read(mut file: impl Read, path: &Path) -> Result<Peeked, ChangelogError> {
    let failed = |error| io_error("read", path)(error);
    let mut found = Peeked::default();
    let mut magic = [0; MAGIC_BYTES];
    fill(&mut file, &mut magic).map_err(failed)?;
    after_magic(path, &magic)?;
    let mut offset = MAGIC_BYTES as u64;
    let (mut head, mut payload) = ([0; FRAME_HEAD], Vec::new());
    while fill(&mut file, &mut head).map_err(failed)? {
        let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        payload.resize(length.min(MAX_PAYLOAD), 0);
        let whole = length <= MAX_PAYLOAD && fill(&mut file, &mut payload).map_err(failed)?;
        if !whole || crc32fast::hash(&payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            break;
        }
        // Zeros that a file system has lengthened a file with are an empty frame with the right checksum.
        if payload.is_empty() {
            break;
        }
        read_payload(&payload, &mut found).map_err(|what| damaged(path, offset, what))?;
        offset += (FRAME_HEAD + length) as u64;
    }
    Ok(found)
}

/// Which dead letters a pipeline has dealt with.
pub fn handled_letters(folder: &Path) -> Result<Handled, ChangelogError> {
    Ok(peek(folder)?.map(|peeked| peeked.handled).unwrap_or_default())
}

/// Fills the buffer; `false` where the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

impl FrameReader for Peeked {
    fn handled(&mut self, topic: &str, partition: i32, from: i64, to: i64) {
        self.handled.add(topic, partition, from, to);
    }

    fn frame(&mut self, _seq: u64, time_ms: i64) {
        self.time_ms = time_ms;
    }

    fn position(&mut self, _partition: i32, _next: i64) {}

    fn counts(&mut self, consumed: u64, split: u64, written: u64) {
        (self.totals.consumed, self.totals.split, self.totals.written) = (consumed, split, written);
    }

    fn intent(&mut self, _partition: i32, _until: i64, _written_ms: i64) {}

    fn cause(&mut self, dead: bool, cause: Cause, total: u64) {
        let causes = if dead { &mut self.totals.dead_lettered } else { &mut self.totals.dropped };
        causes.insert(cause, total);
    }

    fn store(&mut self, _id: u16, _stage: &str, _store: &str) {}

    fn version(&mut self, _stage: &str, _version: u32, _anew: bool) {}

    fn write(&mut self, _id: u16, _key: &[u8], _value: Option<&[u8]>, _at: Seconds) -> Result<(), Malformed> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::{collections::BTreeMap, io::Write};

    use super::*;
    use crate::{
        config::Durability,
        record::{Handled, Positions},
        state::{Changelog, Commit},
    };

    #[test]
    fn totals_are_read_beside_a_running_pipeline_and_a_frame_under_way_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(peek(&folder.path().join("nothing")).unwrap(), None);
        let (mut changelog, _) = Changelog::open(folder.path(), Durability::Os, &mut BTreeMap::new(), 1).unwrap();
        assert_eq!(peek(folder.path()).unwrap().unwrap().totals, Totals::default());
        let mut totals = Totals { consumed: 3, written: 2, ..Totals::default() };
        totals.dead_letter_one(&Cause::new("validate", "bad_email: x"));
        let positions = Positions::default();
        let (durable, handled) = (&|_| true, &Handled::default());
        let commit = Commit { positions: &positions, totals: &totals, writes: &[], handled, durable, time_ms: 7 };
        changelog.commit(&commit).unwrap();
        let seen = Peeked { totals, time_ms: 7, ..Peeked::default() };
        assert_eq!(peek(folder.path()).unwrap(), Some(seen.clone()));

        let last = segments(folder.path()).unwrap().pop().unwrap();
        let before = std::fs::read(&last).unwrap();
        std::fs::OpenOptions::new().append(true).open(&last).unwrap().write_all(&before[8..30]).unwrap();
        assert_eq!(peek(folder.path()).unwrap(), Some(seen), "a torn frame is not there yet");
        assert_eq!(std::fs::read(&last).unwrap().len(), before.len() + 22, "nothing is cut off");
    }
}
