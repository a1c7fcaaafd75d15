//! Plugins: building, loading, and calling them in their sandbox.
//!
//! This module knows WebAssembly and the plugin contract. It knows nothing of sources, sinks or pipelines.

pub mod bindings;
pub mod build;
mod cache;
mod capability;
mod compiler;
mod component;
mod engine;
mod failures;
mod guest;
mod instance;
mod limits;
mod migrate;
mod outcome;

pub use capability::{Capability, Grants};
pub use component::{ABI, LoadError, Plugin};
pub use engine::{MAX_MEMORY, PluginEngine};
pub use failures::{Failure, Told};
pub use guest::SharedState;
pub use instance::{CallError, Descriptor, InitError, Instance, StageName};
pub use limits::Limits;
pub use migrate::MigrateError;
pub use outcome::{Code, Outcome};

#[cfg(test)]
mod cached;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod reference;
#[cfg(test)]
mod shipped;
