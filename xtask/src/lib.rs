//! The project's own chores, as a library that its tests and benches share with `cargo xtask`.
//!
//! Comes in: the workspace's folder and the machine's tools (cargo, and docker or java with Maven). Goes out: running
//! engines, seeded data sets, the verdict of the whole test suite. Nothing here is ever part of the product, and the
//! host never depends on it.

pub mod bench;
pub mod ci;
pub mod dataset;
pub mod services;
pub mod shell;
pub mod stack;
pub mod suite;
pub mod tidy;
