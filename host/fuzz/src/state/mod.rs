//! The files of the host's state that a frame is made of and read with.

#[path = "../../../src/state/frame.rs"]
mod frame;
#[path = "../../../src/state/hostile.rs"]
pub mod hostile;
#[path = "../../../src/state/stage.rs"]
mod stage;
#[path = "../../../src/state/table.rs"]
mod table;
#[path = "../../../src/state/totals.rs"]
mod totals;

pub use frame::{FrameReader, FrameWriter, Malformed, Restored, read_payload};
pub use stage::{StageState, StoreIndex, UnknownStore, Write, Writes};
pub use table::{Before, Seconds, Table};
pub use totals::{Cause, Totals, reason_code};
