//! What the end-to-end tests share.

pub use xtask::stack::{service, skip};

pub mod browser;
pub mod pages;
pub mod process;
