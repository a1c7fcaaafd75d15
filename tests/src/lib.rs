//! What the end-to-end tests share.

pub use xtask::stack::service;

pub mod process;
