//! Millstream: a stream processor whose every stage is a WebAssembly plugin.
//!
//! The way of the data: [`source`] → [`transform`] (which calls [`plugin`]s and keeps [`state`]) → [`sink`]; [`pipeline`]
//! drives it, [`config`] says what is to be driven, [`cli`] is what people see.

pub mod cli;
pub mod config;
pub mod dead_letters;
#[cfg(test)]
#[allow(clippy::expect_used)]
mod docs;
mod kafka;
pub mod log;
pub mod pipeline;
pub mod plugin;
pub mod random_user;
pub mod record;
pub mod reload;
pub mod report;
pub mod samples;
pub mod sink;
pub mod source;
pub mod state;
pub mod transform;
pub mod web;
