//! The host's parts and the whole of it, against the embedded engines and, where they are given, the real ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod conformance;
mod golden;
mod kafka;
mod languages;
mod log_contract;
mod replay;
mod report;
mod stack;
mod tables;
mod truth;
