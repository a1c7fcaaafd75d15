//! What the micro-benchmarks and the counting tests share: the shipped plugins as a pipeline has them, and records to hand
//! them. Nothing here is measured.
//!
//! Programs beside it: `bench`, the harness of `cargo xtask bench`, and `native`, what it compares with.

pub mod fixture;
