//! `cargo xtask bench`: builds the host, the native program and the harness as users would have them, and runs the harness.
//!
//! Everything is one build, so the same optimisation and the same features hold for all that is compared.

use std::ffi::OsString;

use anyhow::{Context, Result};

use crate::{shell, suite};

/// Runs the harness with these arguments; an error if something could not be measured.
pub fn run(arguments: &[OsString]) -> Result<()> {
    suite::add_wasm_target()?;
    let mut build = shell::cargo();
    shell::run(build.args([
        "build",
        "--release",
        "--bins",
        "--package",
        "millstream",
        "--package",
        "millstream-bench",
    ]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell::workspace().join("target"), Into::into);
    let harness = target.join("release").join("bench");
    let mut command = shell::program(&harness);
    shell::run(command.args(arguments)).with_context(|| "the harness failed".to_owned())
}
