//! The memory of batches that are done, for those to come.
//!
//! The allocator gives memory of this size back to the system as soon as it is free, and the next batch would fault it in
//! again, page by page: a twentieth of all CPU time on the way from a file.

use std::sync::{Mutex, PoisonError};

/// What is smaller the allocator keeps by itself.
const SMALLEST: usize = 64 << 10;
/// Most that is kept, in bytes: the batches that a few pipelines have under way.
const MOST: usize = 16 << 20;
/// More than so many times what is asked for would be a waste.
const TOO_LARGE: usize = 4;
/// Sizes are rounded up to a multiple of this, so that a batch that is a little larger than the last one finds room, too.
const STEP: usize = 64 << 10;

/// The one that came last is at the end.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer with room for so many bytes.
pub(super) fn take(bytes: usize) -> Vec<u8> {
    if bytes < SMALLEST {
        return Vec::with_capacity(bytes);
    }
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |buffer: &Vec<u8>| buffer.capacity() >= bytes && buffer.capacity() / TOO_LARGE <= bytes;
    match spare.iter().rposition(fits) {
        Some(found) => spare.remove(found),
        None => Vec::with_capacity(bytes.next_multiple_of(STEP)),
    }
}

/// Keeps a buffer's memory. If there is too much of it, what has not been asked for longest goes.
pub(super) fn give(mut buffer: Vec<u8>) {
    if !(SMALLEST..=MOST).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    spare.push(buffer);
    while spare.iter().map(Vec::capacity).sum::<usize>() > MOST {
        spare.remove(0);
    }
}
