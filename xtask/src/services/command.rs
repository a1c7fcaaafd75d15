//! `cargo xtask services`: a verb and the names of services go in; what was done, and how long it took, is printed.
//!
//! All named services are attempted even if one fails; the first failure is the command's.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::Subcommand;

use super::{Kind, Service, Started};

/// What to do with the named services; with both if none is named.
#[derive(Subcommand)]
pub enum Verb {
    /// Start what does not run yet, and wait until it answers
    Up {
        /// `kafka`, `cassandra`, or both
        names: Vec<Name>,
    },
    /// Stop what was started from here
    Down {
        /// Delete the data, too
        #[arg(long)]
        wipe: bool,
        /// `kafka`, `cassandra`, or both
        names: Vec<Name>,
    },
    /// Fetch their jars, and start nothing
    Fetch {
        /// `kafka`, `cassandra`, or both
        names: Vec<Name>,
    },
    /// Say which ones run
    Status {
        /// `kafka`, `cassandra`, or both
        names: Vec<Name>,
    },
    /// End them as a crash would
    Kill {
        /// `kafka`, `cassandra`, or both
        names: Vec<Name>,
    },
    /// Make them stand still, with their connections open
    Pause {
        /// `kafka`, `cassandra`, or both
        names: Vec<Name>,
    },
    /// Let paused ones go on
    Resume {
        /// `kafka`, `cassandra`, or both
        names: Vec<Name>,
    },
}

/// A service as it is named on the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Name {
    /// Apache Kafka
    Kafka,
    /// Apache Cassandra
    Cassandra,
}

impl From<Name> for Kind {
    fn from(name: Name) -> Self {
        match name {
            Name::Kafka => Kind::Kafka,
            Name::Cassandra => Kind::Cassandra,
        }
    }
}

/// Runs `cargo xtask services VERB NAMES`.
pub fn run(verb: &Verb) -> Result<()> {
    let mut failed = Vec::new();
    for kind in named(verb) {
        let begun = Instant::now();
        match Service::from_env(kind).and_then(|service| obey(verb, &service)) {
            Ok(done) => println!("{kind}: {done} ({:.1} s)", begun.elapsed().as_secs_f64()),
            Err(error) => {
                eprintln!("{kind}: {error:#}");
                failed.push(kind.name());
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed for {}", failed.join(" and "));
    }
    Ok(())
}

fn named(verb: &Verb) -> Vec<Kind> {
    let (Verb::Up { names }
    | Verb::Down { names, .. }
    | Verb::Fetch { names }
    | Verb::Status { names }
    | Verb::Kill { names }
    | Verb::Pause { names }
    | Verb::Resume { names }) = verb;
    if names.is_empty() { Kind::ALL.to_vec() } else { names.iter().copied().map(Kind::from).collect() }
}

/// Does one thing to one service and says what was done.
fn obey(verb: &Verb, service: &Service) -> Result<String> {
    let before = service.pid();
    let was = before.map_or_else(|| "it did not run".to_owned(), |pid| format!("pid {pid}"));
    Ok(match verb {
        Verb::Up { .. } => {
            let started = service.start()?;
            let by = match (started, service.pid()) {
                (Started::Now, Some(pid)) => format!("started, pid {pid}"),
                (Started::Now, None) => "started".to_owned(),
                (Started::Before, pid) => format!("already running, pid {}", pid.unwrap_or_default()),
                (Started::Foreign, _) => {
                    "already running, not started from here, so never stopped from here".to_owned()
                }
            };
            format!("{} answers: {}; {by}", service.address(), service.ask()?)
        }
        Verb::Down { .. } if before.is_none() && service.ask().is_ok() => {
            format!("{} was not started from here; left alone", service.address())
        }
        Verb::Down { wipe: true, .. } => {
            service.wipe()?;
            format!("stopped ({was}) and its data deleted")
        }
        Verb::Down { wipe: false, .. } => {
            service.stop()?;
            format!("stopped ({was})")
        }
        Verb::Fetch { .. } => format!("jars are in {}", service.fetch()?.display()),
        Verb::Status { .. } => match (service.ask(), before) {
            (Ok(answer), Some(pid)) => format!("{} answers: {answer}; pid {pid}", service.address()),
            (Ok(answer), None) => format!("{} answers: {answer}; not started from here", service.address()),
            (Err(_), Some(pid)) => format!("pid {pid} runs, but does not answer at {}", service.address()),
            (Err(_), None) => "does not run".to_owned(),
        },
        Verb::Kill { .. } => {
            service.kill()?;
            format!("killed ({was})")
        }
        Verb::Pause { .. } => {
            service.pause()?;
            format!("paused ({was})")
        }
        Verb::Resume { .. } => {
            service.resume()?;
            format!("goes on ({was})")
        }
    })
}
