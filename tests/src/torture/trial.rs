//! One scenario's trial: names, folder, configuration, records and chance, all from one seed.
//!
//! Whatever a scenario breaks, the pipeline is the shipped one: validate, dedup, Cassandra, dead letters to a topic.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use xtask::dataset::Dice;

use crate::{
    engines::Engines,
    flow::{self, PARTITIONS, Spread, Truth},
    host::Home,
    watch::Watch,
};

/// Small, so that there are many commits for a fault to fall between.
const BATCH_RECORDS: u32 = 250;
const COLUMNS: &str = "id = \"uuid\", first_name = \"text\", last_name = \"text\", gender = \"text\", address = \"text\", \
     post_code = \"text\", email = \"text\", username = \"text\", registered_date = \"text\", phone = \"text\", picture = \"text\"";

/// The binary and the plugins, built once for all trials.
pub struct Built {
    binary: PathBuf,
    plugins: PathBuf,
}

impl Built {
    /// Finds the binary and builds the plugins into a folder.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let binary = binary()?;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for name in ["validate", "dedup"] {
            let crate_folder = millstream_tests::process::plugin(name);
            let component = folder.join(format!("{name}.wasm"));
            let mut build = Command::new(&binary);
            build.args(["plugin", "build", &crate_folder, "--out"]).arg(&component);
            if !build.status().with_context(|| format!("cannot start {}", binary.display()))?.success() {
                bail!("plugin {name} did not build");
            }
        }
        Ok(Self { binary, plugins: folder.to_owned() })
    }
}

/// The host: `MILLSTREAM_BIN`, else the one that was built beside the harness.
fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MILLSTREAM_BIN") {
        return Ok(path.into());
    }
    let path = std::env::current_exe()?.with_file_name("millstream");
    if !path.exists() {
        bail!("{} is missing; run `cargo build -p millstream`, or set MILLSTREAM_BIN", path.display());
    }
    Ok(path)
}

/// What a scenario sets beyond the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tuning {
    /// Static membership, so that a host that was killed has its partitions again at once.
    pub instance: bool,
    /// State in a topic instead of files.
    pub state_in_topic: bool,
    pub sink_timeout: Option<Duration>,
    /// Plugins in the host's own folder, and an admin address, so that versions can be swapped.
    pub admin: Option<std::net::SocketAddr>,
    /// Where the host finds Cassandra, if not at its own address.
    pub cassandra: Option<std::net::SocketAddr>,
    /// Most that is fetched ahead. A whole trial fits into the default, and would never notice that Kafka was away.
    pub prefetch_kib: Option<u32>,
}

pub struct Trial<'a> {
    pub engines: &'a Engines,
    pub built: &'a Built,
    /// `kills`, `cassandra`, …
    pub name: &'static str,
    pub seed: u64,
    pub records: u64,
    pub dice: Dice,
    pub folder: PathBuf,
    pub tuning: Tuning,
}

impl Trial<'_> {
    pub fn topic(&self) -> String {
        format!("torture-{}", self.name)
    }

    pub fn letters(&self) -> String {
        format!("{}.dead_letters", self.topic())
    }

    pub fn table(&self) -> String {
        format!("torture_{}.users", self.name)
    }

    /// Makes the topics, and appends the records to one of them.
    pub fn fill(&self, spread: Spread) -> Result<Truth> {
        self.create_topics()?;
        let begun = std::time::Instant::now();
        let truth = flow::fill(self.engines, &self.topic(), self.records, self.seed, spread, None)?;
        println!("  {} records are in {} ({:.1} s)", truth.records, self.topic(), begun.elapsed().as_secs_f64());
        Ok(truth)
    }

    pub fn create_topics(&self) -> Result<()> {
        self.engines.create_topic(&self.topic(), PARTITIONS)?;
        self.engines.create_topic(&self.letters(), PARTITIONS)
    }

    /// The bytes of a plugin's component.
    pub fn component(&self, plugin: &str) -> Result<Vec<u8>> {
        let path = self.built.plugins.join(plugin).with_extension("wasm");
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// A folder for hosts of this trial.
    pub fn home(&self, name: &str) -> Result<Home> {
        Home::new(self.folder.join(name), self.built.binary.clone(), &self.config(name))
    }

    pub fn watch(&self) -> Result<Watch> {
        Watch::new(self.engines, self.topic(), self.letters())
    }

    fn config(&self, name: &str) -> String {
        let kafka = self.engines.kafka.address();
        let cassandra = self.tuning.cassandra.map_or_else(|| self.engines.cassandra.address(), |at| at.to_string());
        let (topic, letters, table) = (self.topic(), self.letters(), self.table());
        let plugins = match self.tuning.admin {
            Some(_) => ".".to_owned(),
            None => self.built.plugins.display().to_string(),
        };
        let admin = self.tuning.admin.map_or_else(String::new, |admin| format!("[host]\nadmin = \"{admin}\"\n\n"));
        let instance = if self.tuning.instance { format!("instance = \"{name}\"\n") } else { String::new() };
        let state = match self.tuning.state_in_topic {
            true => format!("[pipeline.state]\nurl = \"kafka://{kafka}/{topic}.state\"\n\n"),
            false => String::new(),
        };
        let timeout = self
            .tuning
            .sink_timeout
            .map_or_else(String::new, |timeout| format!("timeout = \"{}ms\"\n", timeout.as_millis()));
        let mut options = Vec::new();
        if let Some(kib) = self.tuning.prefetch_kib {
            options.push(format!("\"queued.max.messages.kbytes\" = \"{kib}\""));
        }
        if self.tuning.state_in_topic {
            // By default the group waits for a member that was killed for longer than the members here live.
            options.push("\"session.timeout.ms\" = \"6000\", \"heartbeat.interval.ms\" = \"1500\"".to_owned());
        }
        let options = match options.is_empty() {
            true => String::new(),
            false => format!("options = {{ {} }}\n", options.join(", ")),
        };
        format!(
            "{admin}[[pipeline]]\nname = \"store\"\ndead_letters = {{ url = \"kafka://{kafka}/{letters}\" }}\n\n\
             [pipeline.source]\nurl = \"kafka://{kafka}/{topic}\"\ngroup = \"{topic}\"\nbatch_records = {BATCH_RECORDS}\n{instance}{options}\n\
             {state}[[pipeline.stage]]\nname = \"validate\"\nplugin = \"{plugins}/validate.wasm\"\n\n\
             [[pipeline.stage]]\nname = \"dedup\"\nplugin = \"{plugins}/dedup.wasm\"\ngrant = [\"state\"]\n\
             config = {{ key = \"id\", format = \"uuid\", ttl = \"12h\" }}\n\n\
             [pipeline.sink]\nurl = \"cassandra://{cassandra}/{table}\"\n{timeout}\n\
             [pipeline.sink.create]\nprimary_key = \"id\"\ncolumns = {{ {COLUMNS} }}\n"
        )
    }
}
