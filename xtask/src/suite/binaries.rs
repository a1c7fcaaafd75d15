//! Builds every test of the workspace at once: cargo's messages go in, the test programs come out, by package.
//!
//! One build for all phases, because cargo turns on the features of shared libraries by the packages it is asked for: a
//! second `cargo test --package …` would compile the WebAssembly engine a second time. Runs no test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

/// Whatever one build made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Binaries {
    /// In the order of their packages' folders and their names.
    pub(super) tests: Vec<TestBinary>,
    /// The host as a user would run it.
    pub(super) host: Option<PathBuf>,
    /// The fault harness.
    pub(super) torture: Option<PathBuf>,
}

/// A program that runs the tests of one target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TestBinary {
    /// The folder of its package, where cargo would run it.
    pub(super) folder: PathBuf,
    /// The target's name and its kind, such as `millstream (lib)`.
    pub(super) name: String,
    pub(super) program: PathBuf,
}

impl Binaries {
    /// Builds all tests and all programs of the workspace.
    pub(super) fn build() -> Result<Self> {
        let mut command = shell::cargo();
        // `--bins` makes the host itself, too; `--tests` alone would only make its tests.
        command.args(["build", "--workspace", "--bins", "--tests", "--message-format", "json-render-diagnostics"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        println!("$ {}", shell::shown(&command));
        let mut child = command.spawn().with_context(|| format!("cannot start `{}`", shell::shown(&command)))?;
        let mut found = Self::default();
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                found.read(&line.context("cannot read cargo's messages")?);
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("`{}` failed: {status}", shell::shown(&command));
        }
        found.tests.sort();
        Ok(found)
    }

    /// Takes one message into account; those that name no program say nothing here.
    fn read(&mut self, message: &str) {
        let Ok(message) = serde_json::from_str::<Value>(message) else { return };
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        let (Some(program), Some(name), Some(manifest)) =
            (text("/executable"), text("/target/name"), text("/manifest_path"))
        else {
            return;
        };
        let kind = text("/target/kind/0").unwrap_or_default();
        if message.pointer("/profile/test").and_then(Value::as_bool) == Some(true) {
            let folder = Path::new(manifest).parent().unwrap_or(Path::new(manifest)).to_path_buf();
            self.tests.push(TestBinary { folder, name: format!("{name} ({kind})"), program: program.into() });
        } else if (kind, name) == ("bin", "millstream") {
            self.host = Some(program.into());
        } else if (kind, name) == ("bin", "torture") {
            self.torture = Some(program.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(name: &str, kind: &str, test: bool, program: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"/w/host/Cargo.toml","target":{{"kind":["{kind}"],"name":"{name}"}},"profile":{{"test":{test}}},"executable":{program}}}"#
        )
    }

    #[test]
    fn tells_tests_from_the_host_and_from_libraries() {
        let mut found = Binaries::default();
        for message in [
            artifact("millstream", "lib", false, "null"),
            artifact("millstream", "lib", true, r#""/w/target/debug/deps/millstream-1""#),
            artifact("millstream", "bin", false, r#""/w/target/debug/millstream""#),
            artifact("torture", "bin", false, r#""/w/target/debug/torture""#),
            artifact("xtask", "bin", false, r#""/w/target/debug/xtask""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
            "no message at all".to_owned(),
        ] {
            found.read(&message);
        }
        let test = TestBinary {
            folder: "/w/host".into(),
            name: "millstream (lib)".into(),
            program: "/w/target/debug/deps/millstream-1".into(),
        };
        let [host, torture] = ["millstream", "torture"].map(|name| Some(format!("/w/target/debug/{name}").into()));
        assert_eq!(found, Binaries { tests: vec![test], host, torture });
    }
}
