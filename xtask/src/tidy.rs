//! `cargo xtask tidy`: what the compiler's own lints do not see in the project's Rust files.
//!
//! Comes in: every `.rs` file that git knows or would add. Goes out: faults, which fail the task, and warnings, which do
//! not. Changes nothing.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Above this, a file probably answers two questions.
const MANY_LINES: usize = 400;

/// Leftovers that must not be delivered. Written in two halves, so that this file has none of them.
const LEFTOVERS: [(&str, &str); 4] = [("todo", "!("), ("unimplemented", "!("), ("#[ig", "nore"), ("dbg", "!(")];

/// What is wrong with one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    faults: Vec<String>,
    warnings: Vec<String>,
}

/// Checks all files and prints what it finds.
pub fn run() -> Result<()> {
    let files =
        shell::read(shell::program("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"]))
            .context("cannot list the project's files")?;
    let (mut faults, mut warnings, mut count) = (0, 0, 0);
    for file in files.lines() {
        let path = shell::workspace().join(file);
        if !path.exists() {
            continue; // deleted, but not committed yet
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let found = look(&text);
        for fault in &found.faults {
            println!("{file}: {fault}");
        }
        for warning in &found.warnings {
            println!("{file}: warning: {warning}");
        }
        faults += found.faults.len();
        warnings += found.warnings.len();
        count += 1;
    }
    println!("tidy: {count} files, {faults} faults, {warnings} warnings");
    if faults > 0 {
        bail!("{faults} faults in the project's files");
    }
    Ok(())
}

fn look(text: &str) -> Findings {
    let mut found = Findings::default();
    if !text.starts_with("//!") {
        found.faults.push("begins without a module doc; say in `//!` lines what comes in and what goes out".into());
    }
    for (number, line) in (1..).zip(text.lines()) {
        for (left, right) in LEFTOVERS {
            let leftover = format!("{left}{right}");
            if line.contains(&leftover) {
                found.faults.push(format!("line {number} has `{leftover}`"));
            }
        }
    }
    let lines = text.lines().count();
    if lines > MANY_LINES {
        found.warnings.push(format!("{lines} lines; would two names explain it better than one?"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documented_short_file_is_fine() {
        assert_eq!(look("//! One idea.\nfn f() {}\n"), Findings::default());
    }

    #[test]
    fn a_file_without_a_module_doc_is_a_fault() {
        assert_eq!(look("fn f() {}\n").faults.len(), 1);
        assert_eq!(look("").faults.len(), 1);
    }

    #[test]
    fn a_stub_is_a_fault_and_its_line_is_named() {
        let text = ["//! x", "", &format!("    {}!()", "todo")].join("\n");
        assert_eq!(look(&text).faults, [format!("line 3 has `{}!(`", "todo")]);
    }

    #[test]
    fn a_long_file_is_only_a_warning() {
        let found = look(&format!("//! x\n{}", "\n".repeat(MANY_LINES)));
        assert_eq!(found.faults.len(), 0);
        assert_eq!(found.warnings.len(), 1);
    }
}
