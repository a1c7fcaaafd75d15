//! `cargo xtask`: reads the command line and calls the chore it names.
//!
//! Exit code 0 means done; 1 means that it failed, with the reason on stderr; 2 means a wrong command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use xtask::suite::{Options, Part};
use xtask::{bench, ci, dataset, services, shell, suite, tidy};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Millstream's chores: engines, data sets, the whole test suite", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the whole test suite, the real engines included
    Test {
        /// Let tests that cannot run here be skipped; they are counted and named
        #[arg(long)]
        allow_skip: bool,
        /// Run one part alone
        #[arg(long)]
        only: Option<Part>,
    },
    /// Check formatting, lints and tidiness, then run the whole test suite
    Ci,
    /// Check what the compiler's lints do not see
    Tidy,
    /// Start and stop a real Kafka and a real Cassandra on this machine
    #[command(subcommand)]
    Services(services::Verb),
    /// Break everything around Millstream and check that nothing is lost; `cargo xtask torture --help` says how
    #[command(disable_help_flag = true)]
    Torture {
        /// Handed to the harness
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measure what Millstream costs, beside a native program; `cargo xtask bench --help` says how
    #[command(disable_help_flag = true)]
    Bench {
        /// Handed to the harness
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Write a seeded data set of N user records: NAME.ndjson, NAME.ids, NAME.truth.json
    Dataset {
        /// How many records
        count: u64,
        /// The same seed gives the same bytes
        seed: u64,
        /// The files' name, without its ending
        name: String,
        /// Where the files go [default: target/datasets]
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Test { allow_skip, only } => suite::run(&Options { allow_skip, only }),
        Task::Ci => ci::run(),
        Task::Tidy => tidy::run(),
        Task::Services(verb) => services::run(&verb),
        Task::Torture { arguments } => suite::torture(&arguments),
        Task::Bench { arguments } => bench::run(&arguments),
        Task::Dataset { count, seed, name, out } => write_dataset(count, seed, &name, out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_dataset(count: u64, seed: u64, name: &str, out: Option<PathBuf>) -> anyhow::Result<()> {
    let folder = out.unwrap_or_else(|| shell::workspace().join("target").join("datasets"));
    let begun = Instant::now();
    let truth = dataset::write(count, seed, name, &folder)?;
    println!(
        "{}: {} records, {:.1} MB, {} valid and unique, {} duplicates, {} invalid, sha256 {} ({:.1} s)",
        folder.join(name).with_extension("ndjson").display(),
        truth.records,
        truth.bytes as f64 / 1e6,
        truth.valid_unique,
        truth.duplicates(),
        truth.invalid_total(),
        truth.sha256,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}
