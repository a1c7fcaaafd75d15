//! How an end-to-end test asks for a real engine: an engine's name goes in, its address comes out.
//!
//! Where there is none, the test returns early, and what it would have proved is unproved. So it is noted by name in the
//! file that `cargo xtask test` reads afterwards; nothing is skipped without being counted.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// The variable with the file that skipped tests are noted in, one line each.
pub const SKIPPED_VARIABLE: &str = "MILLSTREAM_SKIPPED";

/// The address of a real engine, from `MILLSTREAM_<NAME>`. Without one, the calling test is noted as skipped and has to
/// return.
///
/// ```no_run
/// let Some(kafka) = xtask::stack::service("kafka") else { return };
/// ```
pub fn service(name: &str) -> Option<String> {
    let variable = format!("MILLSTREAM_{}", name.to_uppercase());
    if let Some(address) = std::env::var(&variable).ok().filter(|address| !address.is_empty()) {
        return Some(address);
    }
    skip(&format!("{variable} is not set; `cargo xtask test` starts {name} and sets it"));
    None
}

/// Notes the calling test as skipped, with the reason; it has to return.
pub fn skip(reason: &str) {
    // The test harness names a test's thread after it.
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped {test}: {reason}");
    if let Some(file) = std::env::var_os(SKIPPED_VARIABLE)
        && let Err(error) = note(Path::new(&file), &test, reason)
    {
        eprintln!("skipped {test}, and could not note it: {error:#}");
    }
}

/// Adds a line. Tests run side by side, in several processes: one short write in append mode is never torn.
fn note(file: &Path, test: &str, reason: &str) -> Result<()> {
    let mut out = OpenOptions::new().create(true).append(true).open(file);
    let out = out.as_mut().map_err(|error| anyhow::anyhow!("cannot write {}: {error}", file.display()))?;
    out.write_all(format!("{test} ({reason})\n").as_bytes()).with_context(|| format!("cannot write {}", file.display()))
}

/// The tests noted so far, each once, in order of their names.
pub(crate) fn skipped(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_test_is_counted_once_and_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skipped");
        assert!(skipped(&file).is_empty());
        for (test, reason) in [("b", "no kafka"), ("a", "no kafka"), ("b", "no kafka")] {
            note(&file, test, reason).unwrap();
        }
        assert_eq!(skipped(&file), ["a (no kafka)", "b (no kafka)"]);
    }
}
