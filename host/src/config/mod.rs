//! `pipeline.toml`: reading, checking, and what it means.

mod model;

pub use model::*;
