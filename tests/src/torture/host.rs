//! The binary under torture: a folder with its configuration goes in, processes that are started, signalled and looked at
//! come out, each with its log on disk.
//!
//! Nothing here uses the host's library. A process is killed when dropped.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// A stop that takes too long is waited for, so that it can be said how long.
const LONGEST_STOP: Duration = Duration::from_secs(60);

/// A folder that hosts run in, one after the other: `pipeline.toml`, state, logs.
pub struct Home {
    folder: PathBuf,
    binary: PathBuf,
    started: u32,
}

impl Home {
    pub fn new(folder: PathBuf, binary: PathBuf, config: &str) -> Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        std::fs::write(folder.join("pipeline.toml"), config).context("cannot write pipeline.toml")?;
        Ok(Self { folder, binary, started: 0 })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes of the changelog on disk. They grow with every commit.
    pub fn changelog_bytes(&self) -> u64 {
        let Ok(files) = std::fs::read_dir(self.folder.join(".millstream/state/store")) else { return 0 };
        files.filter_map(|file| file.and_then(|file| file.metadata()).ok()).map(|metadata| metadata.len()).sum()
    }

    /// Starts a host that runs until it is stopped.
    pub fn start(&mut self) -> Result<Host> {
        self.launch(&[])
    }

    /// Starts a host that ends once it has handled all there is.
    pub fn start_until_caught_up(&mut self) -> Result<Host> {
        self.launch(&["--until", "caught-up"])
    }

    fn launch(&mut self, more: &[&str]) -> Result<Host> {
        self.started += 1;
        let (out, log) = (self.file("out"), self.file("log"));
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder).args(["run", "--summary", "json", "--log-format", "json"]).args(more);
        command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&log)?);
        let child = command.spawn().with_context(|| format!("cannot start {}", self.binary.display()))?;
        Ok(Host { child, out, log, peak_kib: 0 })
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("run-{:03}.{ending}", self.started))
    }
}

/// A running host.
pub struct Host {
    child: Child,
    out: PathBuf,
    log: PathBuf,
    peak_kib: u64,
}

impl Host {
    /// Fails if it has ended, which none does by itself.
    pub fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                bail!("the host ended by itself: {status}; its log is {}{}", self.log.display(), self.tail())
            }
        }
    }

    /// The memory that it has in RAM now, in KiB.
    pub fn rss_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// The most memory that it has had in RAM so far, in KiB.
    pub fn peak_kib(&mut self) -> u64 {
        self.peak_kib = self.peak_kib.max(self.status("VmHWM:"));
        self.peak_kib
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Result<()> {
        self.must_run()?;
        self.child.kill()?;
        self.child.wait()?;
        self.must_not_have_panicked()
    }

    /// SIGTERM; it must end in order, with code 0. Returns what it says it did, and how long it took.
    pub fn terminate(mut self) -> Result<(Summary, Duration)> {
        let took = self.end()?;
        Ok((self.summary()?, took))
    }

    /// SIGTERM, however far it has come with its start; it must end in order, with code 0. Returns how long it took.
    pub fn end(&mut self) -> Result<Duration> {
        self.must_run()?;
        let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status()?;
        if !told.success() {
            bail!("cannot signal the host");
        }
        let begun = Instant::now();
        self.wait(LONGEST_STOP, |_| Ok(()))?;
        Ok(begun.elapsed())
    }

    /// Waits for its end, which must be in order and with code 0, and looks at it now and then.
    pub fn finish(mut self, within: Duration, look: impl FnMut(&mut Self) -> Result<()>) -> Result<Summary> {
        self.wait(within, look)?;
        self.summary()
    }

    fn wait(&mut self, within: Duration, mut look: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if begun.elapsed() > within {
                bail!("the host has not ended within {within:?}; its log is {}{}", self.log.display(), self.tail());
            }
            look(self)?;
            std::thread::sleep(LOOK_EVERY);
        };
        self.must_not_have_panicked()?;
        if !status.success() {
            bail!("the host did not end in order: {}; its log is {}{}", shown(status), self.log.display(), self.tail());
        }
        Ok(())
    }

    fn summary(&self) -> Result<Summary> {
        let text = std::fs::read_to_string(&self.out)?;
        Summary::read(&text).with_context(|| format!("no summary in {}", self.out.display()))
    }

    fn must_not_have_panicked(&self) -> Result<()> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        for words in ["panicked at", "unaccounted for"] {
            if let Some(line) = log.lines().find(|line| line.contains(words)) {
                bail!("the host says `{line}`; its log is {}", self.log.display());
            }
        }
        Ok(())
    }

    /// Where its log is.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log.
    fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .get(lines.len().saturating_sub(5)..)
            .unwrap_or_default()
            .iter()
            .fold(String::new(), |text, line| text + "\n    " + line)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // One that has ended is not there any more, and that is well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shown(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

/// What a host says in the end: its conservation meter.
#[derive(Debug)]
pub struct Summary(Value);

/// Counts of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub consumed: u64,
    pub written: u64,
    pub dropped: u64,
    pub dead_lettered: u64,
    pub dead_lettered_by: std::collections::BTreeMap<String, u64>,
}

impl Summary {
    fn read(text: &str) -> Result<Self> {
        let all: Value = serde_json::from_str(text)?;
        all.pointer("/pipelines/0").cloned().map(Self).context("it names no pipeline")
    }

    /// Whether all that was read is durable.
    pub fn drained(&self) -> bool {
        self.0.get("ended").and_then(Value::as_str) == Some("drained")
    }

    /// Records that are unaccounted for.
    pub fn drift(&self) -> i64 {
        self.0.get("unaccounted_for").and_then(Value::as_i64).unwrap_or(i64::MAX)
    }

    /// Of this process alone.
    pub fn this_run(&self) -> Counts {
        self.counts("this_run")
    }

    /// Since the pipeline first ran.
    pub fn in_all(&self) -> Counts {
        self.counts("since_first_start")
    }

    fn counts(&self, of: &str) -> Counts {
        let counts = self.0.get(of).cloned().unwrap_or_default();
        let number = |name: &str| counts.get(name).and_then(Value::as_u64).unwrap_or(u64::MAX);
        let causes = counts.get("dead_lettered_by").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut dead_lettered_by = std::collections::BTreeMap::new();
        for cause in &causes {
            let reason = cause.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
            *dead_lettered_by.entry(reason).or_default() += cause.get("records").and_then(Value::as_u64).unwrap_or(0);
        }
        Counts {
            consumed: number("consumed"),
            written: number("written"),
            dropped: number("dropped"),
            dead_lettered: number("dead_lettered"),
            dead_lettered_by,
        }
    }
}
