//! `cargo xtask torture`: the fault harness. Scenarios and a seed go in; a line for each and a verdict come out.
//!
//! The binary is the real one, Kafka and Cassandra are real ones of the harness's own, and so are the signals. A failure
//! names the seed, the command that runs it again, and the folder with all logs. Exit code 0: all scenarios held;
//! 1: one failed; 2: the command line is wrong.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod check;
mod engines;
mod flow;
mod host;
mod pace;
mod plot;
mod scenario;
mod sizes;
mod trial;
mod watch;
mod wire;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use xtask::{dataset::Dice, services::Kind, shell};

use engines::Engines;
use sizes::{Name, Sizes};
use trial::{Built, Trial, Tuning};

/// Break everything around Millstream and check that nothing is lost and nothing is there twice
#[derive(Parser)]
#[command(name = "cargo xtask torture", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    /// Run one scenario alone; without it, all, one after the other
    #[arg(long)]
    scenario: Option<Name>,
    /// Seed of the records and of the moments [default: from the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Small trials, as the test suite runs them: all of them in about three minutes
    #[arg(long)]
    short: bool,
    /// Keep engines, topics and logs after a success, too
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    sizes: sizes::Wanted,
}

const AFTER_HELP: &str = "\
Examples:
  cargo xtask torture --kills 200 --seed 7 --scenario kills
  cargo xtask torture --short
  cargo xtask torture --scenario cassandra --outages 10 --freeze 60
  cargo xtask torture --scenario group --seconds 180

It needs what `cargo xtask services up` needs. Its Kafka and its Cassandra listen at 127.0.0.1:29392 and 127.0.0.1:9342.

Exit codes:
  0  all scenarios held
  1  one failed; its seed and its logs are named
  2  the command line is wrong";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match torture(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenarios. Whether all held.
fn torture(arguments: &Arguments) -> Result<bool> {
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs(),
    };
    println!("seed {seed}");
    let root = shell::workspace().join("target").join("torture");
    std::fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    // Held until the end: a second harness would wipe the engines of this one.
    let lock = File::create(root.join("lock")).context("cannot make the harness's lock")?;
    lock.try_lock().map_err(|_| anyhow!("the fault harness is running already; its engines are not for two"))?;
    let built = Built::in_folder(&root.join("plugins"))?;
    let engines = Engines::start(arguments.keep)?;
    let mut held = true;
    for name in Name::ALL.into_iter().filter(|name| arguments.scenario.is_none_or(|only| only == *name)) {
        println!("{name}");
        let begun = Instant::now();
        let folder = root.join(format!("{name}-{seed}"));
        let outcome = run(name, arguments, seed, &folder, (&engines, &built));
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(found) => {
                println!("torture {name} ... ok: {found} ({seconds:.1} s)");
                if !arguments.keep {
                    empty(&folder)?;
                }
            }
            Err(error) => {
                held = false;
                println!("torture {name} ... FAILED ({seconds:.1} s): {error:#}");
                println!("  logs: {}", folder.display());
                println!("  again: {}", again(name, arguments, seed));
            }
        }
    }
    Ok(held)
}

fn run(name: Name, arguments: &Arguments, seed: u64, folder: &Path, with: (&Engines, &Built)) -> Result<String> {
    empty(folder)?;
    let sizes = Sizes::of(name, arguments.short, &arguments.sizes);
    let mut trial = Trial {
        engines: with.0,
        built: with.1,
        name: name.as_str(),
        seed,
        records: sizes.records,
        // A stream of its own, which no record has: those count from 0.
        dice: Dice::new(seed, u64::MAX - name as u64),
        folder: PathBuf::from(folder),
        tuning: Tuning::default(),
    };
    match name {
        Name::Kills => scenario::kills::run(&mut trial, sizes.times),
        Name::Stop => scenario::stop::run(&mut trial, sizes.times),
        Name::Cassandra => scenario::outages::run(&mut trial, Kind::Cassandra, sizes.times, sizes.time),
        Name::Kafka => scenario::outages::run(&mut trial, Kind::Kafka, sizes.times, sizes.time),
        Name::Group => scenario::group::run(&mut trial, sizes.time),
        Name::Swaps => scenario::swaps::run(&mut trial, sizes.times),
    }
}

/// Deletes a folder that may be there.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot delete {}", folder.display()))?;
    }
    Ok(())
}

/// The command that runs one scenario again.
fn again(name: Name, arguments: &Arguments, seed: u64) -> String {
    let short = if arguments.short { " --short" } else { "" };
    format!("cargo xtask torture --scenario {name} --seed {seed}{short}{}", arguments.sizes.shown())
}
