//! State: what stages keep, up to where a pipeline has come, and what became of its records. All three are made durable
//! together, in one frame of the pipeline's changelog: a folder of files, or a topic that moves with its partitions.

mod changelog;
mod entries;
mod frame;
mod keys;
mod peek;
mod scan;
mod segment;
mod stage;
mod table;
mod topic;
mod totals;

pub use changelog::{Changelog, ChangelogError, Commit};
pub use entries::{Copied, Entries, Migrated, NewerState};
pub use frame::{FrameReader, FrameWriter, Malformed, Restored, read_payload};
pub use peek::{Peeked, handled_letters, peek};
pub use stage::{StageState, StoreIndex, UnknownStore, Write, Writes};
pub use table::{Before, Seconds, Table};
pub use topic::{Owned, TopicError, TopicLog};
pub use totals::{Cause, Totals, reason_code};

#[cfg(test)]
pub(crate) use stage::FIRST_VERSION;
#[cfg(test)]
pub(crate) use totals::{MAX_CAUSES, MAX_REASON_BYTES};

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod versions;
