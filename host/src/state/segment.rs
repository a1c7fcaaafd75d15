//! One segment of a changelog: a file that is named by its first frame, gets its name once that frame is whole, and is read
//! frame by frame.
//!
//! A frame that a crash tore is cut off, and said; what else is not as it was written is an error that names the file and
//! the byte. Frames are numbered without a gap, so nothing can be missing in the middle without being missed.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use super::{
    Migrated, Totals,
    changelog::{ChangelogError, StoreIds},
    frame::{FrameWriter, Restore, Restored, read_payload},
    scan::{Next, holds_frame, next_frame},
};

/// What a segment begins with, and behind it two digits that number its format.
const MAGIC: &[u8] = b"MSCLOG";
pub(super) const FORMAT: &str = "01";
pub(super) const MAGIC_BYTES: usize = 8;

pub(super) const MAKE: &str = "make the segment";

pub(super) fn segment_path(folder: &Path, first_seq: u64) -> PathBuf {
    folder.join(format!("{first_seq:020}.segment"))
}

/// The segments of a folder, oldest first.
pub(super) fn segments(folder: &Path) -> Result<Vec<PathBuf>, ChangelogError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        let mut found: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
        found.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
        found.sort();
        Ok(found)
    };
    list().map_err(io_error("read the folder", folder))
}

/// What a new segment begins with.
pub(super) struct Segment<'a> {
    pub(super) restored: &'a Restored,
    pub(super) stores: &'a StoreIds,
    pub(super) versions: &'a BTreeMap<String, u32>,
    pub(super) migrated: &'a [Migrated],
}

impl Segment<'_> {
    /// Makes a segment with a first frame that repeats positions and totals, names the stores, and holds the whole state of
    /// stages that have taken it over from an older version. It gets its name once it is whole, so that a crash leaves none
    /// without its first frame.
    pub(super) fn begin(&self, path: &Path, buffer: &mut Vec<u8>, now_ms: i64) -> Result<File, ChangelogError> {
        buffer.clear();
        buffer.extend_from_slice(MAGIC);
        buffer.extend_from_slice(FORMAT.as_bytes());
        let mut frame = FrameWriter::new(buffer, self.restored.seq + 1, now_ms);
        frame.positions(&self.restored.positions);
        frame.totals(&self.restored.totals, &Totals::default());
        frame.intents(&self.restored.replay);
        frame.handled(&self.restored.handled);
        for (id, (stage, store)) in (0..).zip(&self.stores.0) {
            frame.store(id, stage, store);
        }
        for (stage, version) in self.versions {
            let migrated = self.migrated.iter().find(|migrated| migrated.stage == *stage);
            frame.version(stage, *version, migrated.is_some());
            for entries in migrated.iter().flat_map(|migrated| &migrated.entries) {
                let is_it = |(of, name): &(String, String)| of == stage && *name == entries.store;
                if let Some(id) = self.stores.0.iter().position(is_it) {
                    frame.entries(id as u16, entries);
                }
            }
        }
        frame.finish();
        make(path, buffer).map_err(io_error(MAKE, path))
    }
}

/// Makes a file of these bytes, which has its name once they are on the disk, or does not come into being.
fn make(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let unnamed = path.with_extension("new");
    let mut file = File::create(&unnamed)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unnamed, path)?;
    match path.parent().map(|folder| File::open(folder)?.sync_all()) {
        None | Some(Ok(())) => Ok(file),
        // Else the segment before it goes on, and a later start finds two that go on from the same frame.
        Some(Err(error)) => std::fs::remove_file(path).and(Err(error)),
    }
}

/// Reads a segment frame by frame. In the last segment a torn frame at the end is cut off. Torn is only what a crash can
/// have left: nothing follows it, and it is not the segment's first frame, which was whole before the file had its name.
pub(super) fn read_segment(path: &Path, last: bool, restore: &mut Restore<'_>) -> Result<(), ChangelogError> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(io_error("open", path))?;
    file.read_to_end(&mut bytes).map_err(io_error("read", path))?;
    let mut rest = after_magic(path, &bytes)?;
    // The oldest segment may begin anywhere, as those before it may have expired; its name says where.
    let mut due = if restore.restored.seq == 0 { number_in_name(path) } else { Some(restore.restored.seq + 1) };
    loop {
        let offset = (bytes.len() - rest.len()) as u64;
        match next_frame(rest) {
            Next::End if offset == MAGIC_BYTES as u64 => {
                return Err(damaged(path, offset, "its first frame is missing"));
            }
            Next::End => return Ok(()),
            Next::Frame(payload, tail) => {
                let seq = payload.first_chunk().map_or(0, |seq| u64::from_le_bytes(*seq));
                if let Some(due) = due.filter(|due| *due != seq) {
                    return Err(damaged(path, offset, gap(due, seq)));
                }
                due = seq.checked_add(1);
                read_payload(payload, restore).map_err(|what| damaged(path, offset, what))?;
                rest = tail;
            }
            Next::Torn
                if last
                    && offset > MAGIC_BYTES as u64
                    && !holds_frame(rest, restore.restored.seq.saturating_add(2)) =>
            {
                tracing::warn!(
                    file = %path.display(), offset, bytes = rest.len(),
                    "cut off a frame that was not written whole; its records are read again"
                );
                let file = OpenOptions::new().write(true).open(path).map_err(io_error("open", path))?;
                return file.set_len(offset).map_err(io_error("cut a torn frame off", path));
            }
            Next::Torn => {
                return Err(damaged(path, offset, "a frame does not end where it says, and more follows"));
            }
            Next::Bad => return Err(damaged(path, offset, "a frame's checksum is wrong")),
        }
    }
}

/// What is behind the head of a segment.
pub(super) fn after_magic<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], ChangelogError> {
    let foreign = || ChangelogError::Foreign(path.to_owned());
    if bytes.len() < MAGIC_BYTES && [MAGIC, FORMAT.as_bytes()].concat().starts_with(bytes) {
        return Err(damaged(path, bytes.len() as u64, "it ends there"));
    }
    let (format, rest) = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_at_checked(2)).ok_or_else(foreign)?;
    if format == FORMAT.as_bytes() {
        return Ok(rest);
    }
    if !format.iter().all(u8::is_ascii_digit) {
        return Err(foreign());
    }
    Err(ChangelogError::Format { path: path.to_owned(), found: String::from_utf8_lossy(format).into_owned() })
}

fn number_in_name(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// Frames are numbered without a gap, so what is missing between files, or at the end of one, shows at the next frame.
fn gap(due: u64, found: u64) -> String {
    match found.checked_sub(1) {
        Some(last) if last >= due => format!("the frames {due} to {last} are missing before it"),
        _ => format!("it is frame {found} where frame {due} should be"),
    }
}

pub(super) fn damaged(path: &Path, offset: u64, what: impl std::fmt::Display) -> ChangelogError {
    ChangelogError::Damaged { path: path.to_owned(), offset, what: what.to_string() }
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ChangelogError {
    let path = path.to_owned();
    move |source| ChangelogError::Io { action, path, source }
}
