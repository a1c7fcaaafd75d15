//! Millstream: a stream processor whose every stage is a WebAssembly plugin.

pub mod config;
pub mod pipeline;
pub mod plugin;
pub mod record;
pub mod sink;
pub mod source;
pub mod state;
pub mod transform;
