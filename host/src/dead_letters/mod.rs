//! Dead letters as they lie in their topic: what each says, which of them are meant, and a look at all there are.
//!
//! Comes in: where a pipeline's dead letters go. Goes out: letters, from the oldest to the last one that was there when the
//! look began. Nothing here joins a group, commits or writes.

mod kafka;
mod letter;
mod scan;

pub use letter::{Letter, Which};
pub use scan::{Scan, ScanError};
