//! The native program: its command, and whether it did what it should.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{data::Truth, host::number};

/// The program that was built beside the harness.
pub fn command(arguments: &[&str]) -> Result<Command> {
    let program = std::env::current_exe()?.with_file_name("native");
    if !program.exists() {
        bail!("{} is missing; run `cargo xtask bench`", program.display());
    }
    let mut command = Command::new(program);
    command.args(arguments).stderr(Stdio::inherit());
    Ok(command)
}

/// Fails unless what it printed is what must become of the records.
pub fn check(printed: &str, truth: &Truth) -> Result<()> {
    let counts: Value = serde_json::from_str(printed).context("it printed no JSON")?;
    let mut found = Truth {
        consumed: number(&counts, "consumed"),
        written: number(&counts, "written"),
        dropped: number(&counts, "dropped"),
        ..Truth::default()
    };
    for (reason, records) in counts.get("dead_lettered_by").and_then(Value::as_object).into_iter().flatten() {
        found.rejected.insert(reason.clone(), records.as_u64().unwrap_or(u64::MAX));
    }
    if found != *truth {
        bail!("the native program made {found:?} of the records, and it should have been {truth:?}");
    }
    Ok(())
}
