//! Real engines for tests and demos: a kind and a port go in, a running Kafka or Cassandra comes out.
//!
//! By `docker compose` where a Docker engine answers, else from Maven Central's jars where `java` and `mvn` are installed.
//! Jars, data and process ids are below `target/services/` or `$MILLSTREAM_SERVICES_DIR`. An engine that already answers
//! on the port and was not started from here is used, and never stopped, paused or wiped.

mod command;
mod compose;
mod jars;
mod kind;
mod launch;
mod probe;
mod process;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use command::{Verb, run};
pub use kind::{Artifact, Kind};

use compose::Container;
use launch::Instance;
use process::{Background, LOOK_EVERY, Signal};

use crate::shell;

/// From the start of an engine to its first answer; 7 to 15 s on two cores, several times that on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(180);

/// By which means engines are started here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Compose,
    Jars,
}

/// How a service came to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// This call started it, so whoever called stops it.
    Now,
    /// An earlier run of this task started it.
    Before,
    /// Somebody else did; it may be used, and is never stopped from here.
    Foreign,
}

/// One engine on one port of this machine.
#[derive(Clone, Debug)]
pub struct Service {
    kind: Kind,
    port: u16,
    engine: Engine,
    root: PathBuf,
    /// Whether a write is on disk before it is acknowledged.
    synced: bool,
}

impl Service {
    /// The engine on the port that the environment names, or on its usual one.
    pub fn from_env(kind: Kind) -> Result<Self> {
        Self::at(kind, kind.port_from_env()?)
    }

    /// An engine of one's own on `port`; the port after it is taken as well, for the engine's peers.
    ///
    /// An error if this machine has no means of starting one and none answers on the port either.
    pub fn at(kind: Kind, port: u16) -> Result<Self> {
        let root = match std::env::var_os("MILLSTREAM_SERVICES_DIR") {
            Some(folder) => std::path::absolute(folder).context("cannot use MILLSTREAM_SERVICES_DIR")?,
            None => shell::workspace().join("target").join("services"),
        };
        let service = Self { kind, port, engine: Engine::Jars, root, synced: false };
        if compose::available() {
            return Ok(Self { engine: Engine::Compose, ..service });
        }
        match jars::missing() {
            Some(missing) if service.ask().is_err() => bail!(
                "cannot start {kind}: no Docker engine answers, and {missing}; start Docker, or install Java 17 and Maven \
                 (Debian: `apt-get install openjdk-17-jre-headless maven`)"
            ),
            _ => Ok(service),
        }
    }

    /// The same engine, but one that loses no acknowledged write when it is killed. Cassandra otherwise acknowledges what
    /// its commit log takes up to a tenth of a second later, and counts on other nodes to have it; a single node has none.
    ///
    /// Holds where the engine is started from its jars; an image of Cassandra has its own configuration.
    pub fn synced(self) -> Self {
        Self { synced: true, ..self }
    }

    /// Which engine this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where clients connect, as `host:port`.
    pub fn address(&self) -> String {
        self.socket().to_string()
    }

    /// What the engine says of itself when asked in its own protocol, or why there is no answer.
    pub fn ask(&self) -> Result<String> {
        probe::ask(self.kind, self.socket())
    }

    /// The engine's process, if it was started from here and lives.
    pub fn pid(&self) -> Option<u32> {
        match self.engine {
            Engine::Compose => self.container().pid(),
            Engine::Jars => self.background().pid(),
        }
    }

    /// Makes sure that the engine runs and answers. Data of an earlier run is kept.
    pub fn start(&self) -> Result<Started> {
        fs::create_dir_all(self.folder()).with_context(|| format!("cannot make {}", self.folder().display()))?;
        // Two tasks at once would otherwise both fetch, format and start.
        let lock = File::create(self.root.join(format!("{}.lock", self.kind)))?;
        lock.lock().with_context(|| format!("cannot lock {}", self.root.display()))?;

        if self.pid().is_some() {
            self.resume()?;
            self.wait_until_it_answers()?;
            return Ok(Started::Before);
        }
        if self.ask().is_ok() {
            return Ok(Started::Foreign);
        }
        match self.engine {
            Engine::Compose => self.container().up()?,
            Engine::Jars => self.launch()?,
        }
        self.wait_until_it_answers()?;
        Ok(Started::Now)
    }

    /// The folder with the engine's jars, fetched from Maven Central if they are not there yet.
    pub fn fetch(&self) -> Result<PathBuf> {
        jars::fetch(self.kind, &self.root)
    }

    fn launch(&self) -> Result<()> {
        jars::check_java(self.kind)?;
        let jars = self.fetch()?;
        let folder = self.folder();
        let instance =
            Instance { folder: &folder, jars: &jars, port: self.port, peer_port: self.port + 1, synced: self.synced };
        let command = launch::prepare(self.kind, &instance)?;
        self.background().spawn(command).map(drop)
    }

    /// Waits for the first answer; gives up early when the engine's process ends.
    pub fn wait_until_it_answers(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let Err(no_answer) = self.ask() else { return Ok(()) };
            if self.pid().is_none() {
                bail!("{} ended before it answered; its last words:\n{}", self.kind, self.last_words());
            }
            if begun.elapsed() > START_DEADLINE {
                let seconds = START_DEADLINE.as_secs();
                return Err(no_answer.context(format!(
                    "{} did not answer within {seconds} s; its last words:\n{}",
                    self.kind,
                    self.last_words()
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends the engine in good order; its data stays. Nothing happens if it does not run.
    pub fn stop(&self) -> Result<()> {
        match (self.pid(), self.engine) {
            (None, _) => self.refuse_if_foreign("stop"),
            (Some(_), Engine::Compose) => self.container().tell("stop"),
            (Some(_), Engine::Jars) => self.background().stop().map(drop),
        }
    }

    /// Ends the engine as a crash would: SIGKILL, nothing flushed. Its data stays.
    pub fn kill(&self) -> Result<()> {
        self.refuse_if_foreign("kill")?;
        match self.engine {
            Engine::Compose => self.container().tell("kill"),
            Engine::Jars => self.background().kill().map(drop),
        }
    }

    /// Makes the engine stand still with its connections open, as a long pause or a cut network would.
    pub fn pause(&self) -> Result<()> {
        self.refuse_if_foreign("pause")?;
        match self.engine {
            Engine::Compose => self.container().tell("pause"),
            Engine::Jars => self.background().signal(Signal::Stop).map(drop),
        }
    }

    /// Lets a paused engine go on. One that is not paused is left as it is.
    pub fn resume(&self) -> Result<()> {
        match self.engine {
            Engine::Compose => {
                // Compose calls it an error if nothing is paused.
                if self.ask().is_err() { self.container().tell("unpause").or(Ok(())) } else { Ok(()) }
            }
            Engine::Jars => self.background().signal(Signal::Cont).map(drop),
        }
    }

    /// Deletes the engine's data; stops it first.
    pub fn wipe(&self) -> Result<()> {
        self.stop()?;
        let folder = self.folder();
        match self.engine {
            Engine::Compose => self.container().wipe(),
            Engine::Jars if folder.exists() => {
                fs::remove_dir_all(&folder).with_context(|| format!("cannot delete {}", folder.display()))
            }
            Engine::Jars => Ok(()),
        }
    }

    fn refuse_if_foreign(&self, verb: &str) -> Result<()> {
        if self.pid().is_none() && self.ask().is_ok() {
            bail!(
                "will not {verb} the {} at {}: it was not started from here; set {} to start one of your own",
                self.kind,
                self.address(),
                self.kind.port_variable()
            );
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        match self.engine {
            Engine::Compose => self.container().last_words(),
            Engine::Jars => self.background().last_words(),
        }
    }

    fn socket(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn folder(&self) -> PathBuf {
        self.root.join(format!("{}-{}", self.kind, self.port))
    }

    fn background(&self) -> Background {
        Background::in_folder(&self.folder())
    }

    fn container(&self) -> Container {
        Container { kind: self.kind, port: self.port }
    }
}
