//! `cargo xtask bench`: what Millstream costs, beside a native program and the bare Kafka client. Paths and sizes go in; a
//! table, JSON and a plot come out.
//!
//! The programs take turns (A, B, A, B, …), so that whatever else the machine does falls on all of them alike, and the
//! first one runs twice in each round, so that noise can be told from a difference. CPU time is that of the whole process,
//! as the system counts it. Exit code 0: all was measured; 1: something failed; 2: the command line is wrong.

mod data;
mod engines;
mod host;
mod measure;
mod native;
mod path;
mod report;
mod serve;
mod sitting;
mod stats;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use xtask::shell;

use engines::Engines;

/// What Millstream costs, beside a native program that does the same
#[derive(Parser)]
#[command(name = "cargo xtask bench", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    /// What to measure
    #[arg(long, default_value = "all")]
    path: Wanted,
    /// Records of each run [default: 1000000; of `http-kafka` and `kafka-cassandra` 200000]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..))]
    records: Option<u64>,
    /// Runs of each program
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// A tenth of the records, two runs: to see that it works, not for figures
    #[arg(long)]
    quick: bool,
    /// Run only these programs
    #[arg(long, value_name = "PROGRAM")]
    only: Vec<String>,
    /// Fills a topic, for the harness itself
    #[arg(long, hide = true, requires = "records")]
    fill: Option<String>,
    /// Serves the API, for the harness itself
    #[arg(long, hide = true, requires = "records")]
    serve: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Topic → validate → dedup → nothing, rejects to a topic
    KafkaDiscard,
    /// Topic → validate → dedup → table
    KafkaCassandra,
    /// File of raw API documents → format → validate → dedup → nothing
    FileDiscard,
    /// HTTP API → format → topic
    HttpKafka,
    /// From produce to row, at 1,000 records a second
    Latency,
    /// From the start of the process to its first record
    Start,
    /// Two threads for the stages against one
    Workers,
    /// Peak memory with 1 and with 5 times as many records
    Memory,
    /// All of these
    All,
}

const AFTER_HELP: &str = "\
Examples:
  cargo xtask bench
  cargo xtask bench --path kafka-discard --runs 7
  cargo xtask bench --path kafka-discard --only millstream --only client
  cargo xtask bench --quick

It uses the Kafka and the Cassandra of `cargo xtask services`, and starts them if they do not run. Topics, files and the
results (JSON and SVG) are kept in target/bench, and topics in the engine, for the next time.";

/// What one sitting is about.
#[derive(Clone)]
pub struct Plan {
    /// As wanted on the command line.
    pub records: Option<u64>,
    /// Of each program.
    pub runs: u32,
    /// Whether this is not for figures.
    pub quick: bool,
    /// The programs that are to run; none means all.
    pub only: Vec<String>,
    /// Where data, configurations and results are.
    pub folder: PathBuf,
}

impl Plan {
    /// How many records a path runs over that usually runs over so many.
    pub fn records(&self, usual: u64) -> u64 {
        self.records.unwrap_or(if self.quick { usual / 10 } else { usual })
    }

    /// Whether that program is to run.
    pub fn wants(&self, program: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == program)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match bench(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: Arguments) -> Result<()> {
    if cfg!(debug_assertions) {
        bail!("built without optimisation, figures say nothing; run `cargo xtask bench`");
    }
    let folder = shell::workspace().join("target").join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if let (Some(topic), Some(records)) = (&arguments.fill, arguments.records) {
        return data::fill(&Engines::default(), &folder, topic, records);
    }
    if let (true, Some(records)) = (arguments.serve, arguments.records) {
        return serve::serve(records);
    }
    let runs = if arguments.quick { arguments.runs.min(2) } else { arguments.runs };
    let plan = Plan { records: arguments.records, runs, quick: arguments.quick, only: arguments.only, folder };
    let host = host::Host::prepare(&plan.folder)?;
    let engines = Engines::default();
    for (wanted, measure) in path::ALL {
        if [wanted, Wanted::All].contains(&arguments.path) {
            let report = measure(&plan, &host, &engines)?;
            report.print();
            report.keep(&plan.folder)?;
        }
    }
    Ok(())
}
