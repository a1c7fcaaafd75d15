//! Stages at work: from a batch to what is written, dropped and rejected.

mod chain;
mod fate;
mod head;
mod migrate;
mod processed;
pub mod project;
mod report;
mod seeds;
mod stage;
mod tap;
mod work;

pub use chain::{Chain, ChainError, ChainFault};
pub use head::{Begun, Head};
pub use processed::{Author, Dropped, Processed, Rejected, Used};
pub use stage::{Stage, StageSpec};
pub use tap::{Filter, Tap, Tapped};

#[cfg(test)]
pub(crate) use fate::{CIRCUIT, TIMEOUT_COUNTS};
#[cfg(test)]
pub(crate) use migrate::MAX_BYTES as MAX_MIGRATED_BYTES;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
