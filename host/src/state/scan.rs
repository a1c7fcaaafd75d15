//! Finding frames in the bytes of a segment: whole ones, and what a crash or damage has left of one.
//!
//! Nothing here reads a payload or changes a file: what to do about a torn frame or a bad one is for the caller to say.

use super::frame::{FRAME_HEAD, MAX_PAYLOAD};

/// What comes next.
pub enum Next<'a> {
    /// Nothing.
    End,
    /// A payload, and what is behind its frame.
    Frame(&'a [u8], &'a [u8]),
    /// The last thing in the file, and not whole.
    Torn,
    /// A frame with a wrong checksum or length, and more behind it.
    Bad,
}

/// Looks at the next frame.
pub fn next_frame(rest: &[u8]) -> Next<'_> {
    if rest.is_empty() {
        return Next::End;
    }
    // A file system may lengthen a file before the data arrives: zeros to the end are a torn frame as well.
    if rest.iter().all(|byte| *byte == 0) {
        return Next::Torn;
    }
    let Some((head, tail)) = rest.split_first_chunk::<FRAME_HEAD>() else { return Next::Torn };
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let Some((payload, after)) = tail.split_at_checked(length) else {
        return if length > MAX_PAYLOAD { Next::Bad } else { Next::Torn };
    };
    if crc32fast::hash(payload) == u32::from_le_bytes([c0, c1, c2, c3]) {
        return Next::Frame(payload, after);
    }
    if after.is_empty() { Next::Torn } else { Next::Bad }
}

/// Whether the frame of that number is somewhere in these bytes: then a length before it is wrong, and cutting off what
/// seems to be torn would lose what was committed.
pub fn holds_frame(bytes: &[u8], seq: u64) -> bool {
    let number = seq.to_le_bytes();
    let mut starts = memchr::memmem::find_iter(bytes, &number).filter_map(|at| at.checked_sub(FRAME_HEAD));
    starts.any(|start| {
        let frame = next_frame(bytes.get(start..).unwrap_or_default());
        // Zeros would be an empty frame with the right checksum.
        matches!(frame, Next::Frame(payload, _) if payload.starts_with(&number))
    })
}
