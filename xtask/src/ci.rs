//! `cargo xtask ci`: everything that a change must pass, in the order of what fails fastest.
//!
//! Stops at the first step that fails. Nothing may be skipped.

use anyhow::Result;

use crate::suite::{self, Options};
use crate::{shell, tidy};

/// Formatting, lints, tidiness, then the whole suite.
pub fn run() -> Result<()> {
    step("cargo fmt --check");
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    step("tidy");
    tidy::run()?;
    step("cargo clippy, warnings denied");
    shell::run(shell::cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    suite::run(&Options::default())
}

fn step(name: &str) {
    println!("\n==== {name} ====");
}
