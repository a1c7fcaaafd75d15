//! Records and what is known of them: batches, positions, headers, and the fields projected from their JSON.
//!
//! This module imports nothing else of the host.

mod batch;
mod columns;
mod headers;
mod letters;
mod made;
mod position;
mod replay;
mod slices;
mod spare;

#[cfg(test)]
mod merging;

pub use batch::{Batch, Record};
pub use columns::{Column, Columns, Field, Kind, Want};
pub use headers::{HeaderWriter, Headers};
pub use letters::{Handled, Letters};
pub use made::Made;
pub use position::Positions;
pub use replay::Replay;
pub use slices::Slices;
