//! The contract of a table sink, held against both engines: the same rows in, the same rows out.

mod changed;
mod contract;
mod engine;
mod opening;
mod replay;
mod sqlite_only;

pub use engine::{Engine, batch, create_with};
