//! `cargo xtask test`: the whole test suite, in phases; which part to run goes in, a summary and a verdict come out.
//!
//! Everything is built once. First comes what runs natively (the host's and the plugins' own tests), then the end-to-end
//! tests against a real Kafka and a real Cassandra, which are started if they do not run, and stopped again only if they
//! were started here. Last comes the fault harness with engines of its own. A test that could not run is named, and is a
//! failure unless that was allowed.

mod binaries;
mod tally;

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::services::{Kind, Service, Started};
use crate::{shell, stack};
use binaries::{Binaries, TestBinary};
use tally::Tally;

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A part of the suite that can be run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The host's and the tasks' own tests
    Unit,
    /// The plugins' rules, natively
    Plugins,
    /// End to end, against the real engines
    E2e,
    /// The fault harness, in its short form
    Torture,
}

impl Part {
    const ALL: [Part; 4] = [Part::Unit, Part::Plugins, Part::E2e, Part::Torture];

    fn name(self) -> &'static str {
        match self {
            Part::Unit => "unit",
            Part::Plugins => "plugin rules",
            Part::E2e => "end to end",
            Part::Torture => "torture",
        }
    }

    /// The part that a package's tests belong to, by its folder in the workspace.
    fn of(folder: &Path) -> Self {
        let folder = folder.strip_prefix(shell::workspace()).unwrap_or(folder);
        if folder.starts_with("plugins") {
            Part::Plugins
        } else if folder.starts_with("tests") {
            Part::E2e
        } else {
            Part::Unit
        }
    }
}

/// How to run the suite.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether tests that cannot run here may be skipped.
    pub allow_skip: bool,
    /// The one part to run; without it, all.
    pub only: Option<Part>,
}

/// One phase that was run.
struct Phase {
    name: &'static str,
    tally: Tally,
    took: Duration,
    /// Why it failed, beyond what the tests say.
    fault: Option<String>,
}

/// Runs the suite; an error if anything failed, or was skipped without leave.
pub fn run(options: &Options) -> Result<()> {
    let begun = Instant::now();
    add_wasm_target()?;
    heading("build");
    let binaries = Binaries::build()?;
    println!("built in {:.1} s", begun.elapsed().as_secs_f64());

    let mut phases = Vec::new();
    for part in Part::ALL {
        if options.only.is_none_or(|only| only == part) {
            phases.push(run_part(part, &binaries));
        }
    }
    if options.only.is_none() {
        phases.push(Phase::run("examples in docs", examples));
    }

    heading("summary");
    let mut failed = Vec::new();
    for phase in &phases {
        if !phase.report(options.allow_skip) {
            failed.push(phase.name);
        }
    }
    println!("{:.1} s in all", begun.elapsed().as_secs_f64());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Plugins are built by the tests, so the compiler needs their target.
pub(crate) fn add_wasm_target() -> Result<()> {
    let sysroot = shell::read(shell::program("rustc").args(["--print", "sysroot"]))?;
    let installed = PathBuf::from(sysroot.trim()).join("lib").join("rustlib").join(WASM_TARGET);
    if installed.is_dir() {
        return Ok(());
    }
    println!("adding the target {WASM_TARGET}, which plugins are built for");
    shell::run(shell::program("rustup").args(["target", "add", WASM_TARGET]))
        .with_context(|| format!("cannot build plugins without the target {WASM_TARGET}; install it by hand"))
}

fn run_part(part: Part, binaries: &Binaries) -> Phase {
    let tests: Vec<&TestBinary> = binaries.tests.iter().filter(|test| Part::of(&test.folder) == part).collect();
    Phase::run(part.name(), |tally| {
        if part == Part::E2e {
            return with_engines(&tests, binaries.host.as_deref(), tally);
        }
        if part == Part::Torture {
            return without_loss(binaries, tally);
        }
        run_all(&tests, &[], tally)
    })
}

/// The fault harness in its short form, where engines can be started.
fn without_loss(binaries: &Binaries, tally: &mut Tally) -> Result<()> {
    for kind in Kind::ALL {
        if let Err(error) = Service::from_env(kind) {
            eprintln!("{kind}: {error:#}");
            tally.missing.push(kind.name());
        }
    }
    if tally.missing.is_empty() { test(harness(binaries)?.arg("--short"), tally) } else { Ok(()) }
}

/// Runs the fault harness with these arguments; an error if anything was lost.
pub fn torture(arguments: &[OsString]) -> Result<()> {
    add_wasm_target()?;
    shell::run(harness(&Binaries::build()?)?.args(arguments))
}

/// The fault harness, which starts engines of its own and breaks the host that was built with it.
fn harness(binaries: &Binaries) -> Result<Command> {
    let (Some(torture), Some(host)) = (&binaries.torture, &binaries.host) else {
        bail!("the fault harness was not built")
    };
    let mut command = shell::program(torture);
    // Another one may be named, such as a release build.
    command.env("MILLSTREAM_BIN", std::env::var_os("MILLSTREAM_BIN").unwrap_or_else(|| host.into()));
    Ok(command)
}

/// The examples in the documentation are compiled by rustdoc, not by the build above.
fn examples(tally: &mut Tally) -> Result<()> {
    test(shell::cargo().args(["test", "--workspace", "--doc", "--no-fail-fast"]), tally)
}

/// The tests of a running host, on embedded and on real engines.
fn with_engines(tests: &[&TestBinary], host: Option<&Path>, tally: &mut Tally) -> Result<()> {
    let mut variables = Vec::new();
    if let Some(host) = host {
        variables.push(("MILLSTREAM_BIN", Some(host.to_string_lossy().into_owned())));
    }
    let skipped = std::env::temp_dir().join(format!("millstream-skipped-{}", std::process::id()));
    variables.push((stack::SKIPPED_VARIABLE, Some(skipped.to_string_lossy().into_owned())));

    let mut borrowed = Vec::new();
    for kind in Kind::ALL {
        let begun = Instant::now();
        let address = match Borrowed::start(kind) {
            Ok(engine) => {
                let address = engine.service.address();
                println!("{kind}: {address} answers ({:.1} s)", begun.elapsed().as_secs_f64());
                borrowed.push(engine);
                Some(address)
            }
            Err(error) => {
                eprintln!("{kind}: {error:#}");
                tally.missing.push(kind.name());
                None
            }
        };
        variables.push((kind.address_variable(), address));
    }
    let done = run_all(tests, &variables, tally);
    tally.skipped = stack::skipped(&skipped);
    if skipped.exists() {
        std::fs::remove_file(&skipped).with_context(|| format!("cannot delete {}", skipped.display()))?;
    }
    done
}

/// Runs every program to its end, one after the other, whatever the earlier ones said. A variable without a value is
/// taken away, lest one from outside names an engine that nobody looked at.
fn run_all(tests: &[&TestBinary], variables: &[(&str, Option<String>)], tally: &mut Tally) -> Result<()> {
    let mut failed = Vec::new();
    for binary in tests {
        println!("\n-- {}", binary.name);
        let mut command = Command::new(&binary.program);
        command.current_dir(&binary.folder).env("CARGO_MANIFEST_DIR", &binary.folder);
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Err(error) = test(&mut command, tally) {
            failed.push(format!("{}: {error:#}", binary.name));
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    if tally.is_empty() {
        bail!("no test was found");
    }
    Ok(())
}

/// An engine for as long as the tests run; stopped afterwards if it was started for them.
struct Borrowed {
    service: Service,
    started: Started,
}

impl Borrowed {
    fn start(kind: Kind) -> Result<Self> {
        let service = Service::from_env(kind)?;
        match service.start() {
            Ok(started) => Ok(Self { service, started }),
            Err(error) => {
                // One that came up too slowly must not be left behind either.
                if service.pid().is_some() {
                    service.stop()?;
                }
                Err(error)
            }
        }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if self.started != Started::Now {
            return;
        }
        match self.service.stop() {
            Ok(()) => println!("{}: stopped", self.service.kind()),
            Err(error) => eprintln!("{}: {error:#}; `cargo xtask services down` stops it", self.service.kind()),
        }
    }
}

/// Runs one program with tests to its end, passes its output on and counts what it reports.
fn test(command: &mut Command, tally: &mut Tally) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", shell::shown(command)))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.context("cannot read the output of the tests")?;
            tally.read(&line);
            println!("{line}");
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed: {status}", shell::shown(command));
    }
    Ok(())
}

fn heading(name: &str) {
    println!("\n==== {name} ====");
}

impl Phase {
    fn run(name: &'static str, tests: impl FnOnce(&mut Tally) -> Result<()>) -> Self {
        heading(name);
        let begun = Instant::now();
        let mut tally = Tally::default();
        let fault = tests(&mut tally).err().map(|error| format!("{error:#}"));
        Phase { name, tally, took: begun.elapsed(), fault }
    }

    /// Prints the phase's line and what has to be known beyond it; whether the phase succeeded.
    fn report(&self, allow_skip: bool) -> bool {
        let ok = self.fault.is_none() && self.tally.is_clean(allow_skip);
        let verdict = if ok { "ok" } else { "FAILED" };
        println!("{:<22} {verdict:<7} {} ({:.1} s)", self.name, self.tally, self.took.as_secs_f64());
        for name in &self.tally.failed {
            println!("    failed: {name}");
        }
        for name in &self.tally.skipped {
            println!("    skipped: {name}");
        }
        for engine in &self.tally.missing {
            println!("    without: {engine}, which could not be started");
        }
        if let Some(fault) = &self.fault {
            println!("    {fault}");
        }
        ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_belongs_to_a_part_by_its_folder() {
        let workspace = shell::workspace();
        assert_eq!(Part::of(&workspace.join("host")), Part::Unit);
        assert_eq!(Part::of(&workspace.join("xtask")), Part::Unit);
        assert_eq!(Part::of(&workspace.join("plugins").join("validate")), Part::Plugins);
        assert_eq!(Part::of(&workspace.join("tests")), Part::E2e);
    }

    #[test]
    fn a_phase_without_any_test_has_failed() {
        let phase = Phase::run("empty", |tally| run_all(&[], &[], tally));
        assert!(!phase.report(true));
    }
}
