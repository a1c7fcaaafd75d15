//! Millstream itself: the binary as users have it, in a folder of its own, with its compiled plugins kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::shell;

use crate::data::Truth;

/// Folders of crates; the last one is the cookbook's, which parses and writes each record anew in the sandbox.
const PLUGINS: [&str; 4] = ["plugins/format-user", "plugins/validate", "plugins/dedup", "docs/cookbook/mask"];

/// The stages of the shipped pipeline that stores users.
pub const STORE: &str = "\
[[pipeline.stage]]
plugin = \"../plugins/validate.wasm\"

[[pipeline.stage]]
plugin = \"../plugins/dedup.wasm\"
grant = [\"state\"]
config = { key = \"id\", format = \"uuid\", ttl = \"12h\" }
";

/// The first of them alone, which keeps nothing.
pub const VALIDATE: &str = "\
[[pipeline.stage]]
plugin = \"../plugins/validate.wasm\"
";

/// Stages that take far longer than reading their records does.
pub const MASK: &str = "\
[[pipeline.stage]]
name = \"mask\"
plugin = \"../plugins/mask.wasm\"
config = { fields = [\"email\", \"phone\"], keep = 3 }

[[pipeline.stage]]
name = \"mask-more\"
plugin = \"../plugins/mask.wasm\"
config = { fields = [\"cell\", \"nat\"] }
";

/// The stage that formats users.
pub const FORMAT: &str = "\
[[pipeline.stage]]
plugin = \"../plugins/format-user.wasm\"
grant = [\"random\"]
";

/// The binary, with the shipped plugins built.
pub struct Host {
    binary: PathBuf,
    folder: PathBuf,
}

impl Host {
    pub fn prepare(folder: &Path) -> Result<Self> {
        let binary = match std::env::var_os("MILLSTREAM_BIN") {
            Some(path) => path.into(),
            None => std::env::current_exe()?.with_file_name("millstream"),
        };
        if !binary.exists() {
            bail!("{} is missing; run `cargo xtask bench`, or set MILLSTREAM_BIN", binary.display());
        }
        let (plugins, home) = (folder.join("plugins"), folder.join("host"));
        for made in [&plugins, &home] {
            fs::create_dir_all(made).with_context(|| format!("cannot make {}", made.display()))?;
        }
        for folder in PLUGINS.map(Path::new) {
            let mut build = Command::new(&binary);
            build.args(["plugin", "build"]).arg(shell::workspace().join(folder));
            build.arg("--out").arg(plugins.join(folder.file_name().unwrap_or_default()).with_extension("wasm"));
            shell::read(&mut build)?;
        }
        Ok(Self { binary, folder: home })
    }

    /// A command that runs that configuration, with no state of an earlier run but with its compiled plugins.
    pub fn command(&self, config: &str, arguments: &[&str]) -> Result<Command> {
        let state = self.folder.join(".millstream");
        if let Ok(entries) = fs::read_dir(&state) {
            for entry in entries {
                let path = entry?.path();
                match path.file_name().is_some_and(|name| name == "cache") {
                    true => {}
                    false if path.is_dir() => fs::remove_dir_all(&path)?,
                    false => fs::remove_file(&path)?,
                }
            }
        }
        fs::write(self.folder.join("pipeline.toml"), config)?;
        let log = fs::File::create(self.folder.join("log"))?;
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder).args(["run", "--no-watch", "--summary", "json", "--log-format", "text"]);
        command.args(arguments).stderr(Stdio::from(log));
        Ok(command)
    }

    /// Deletes the compiled plugins, so that the next start has to compile them.
    pub fn forget_code(&self) -> Result<()> {
        let cache = self.folder.join(".millstream").join("cache");
        if cache.exists() {
            fs::remove_dir_all(&cache).with_context(|| format!("cannot delete {}", cache.display()))?;
        }
        Ok(())
    }
}

/// Fails unless a summary tells of what must become of the records.
pub fn check(summary: &str, truth: &Truth) -> Result<()> {
    let summary: Value = serde_json::from_str(summary).context("the summary is no JSON")?;
    let counts = summary.pointer("/pipelines/0/this_run").context("the summary names no pipeline")?;
    let mut found = Truth {
        consumed: number(counts, "consumed"),
        written: number(counts, "written"),
        dropped: number(counts, "dropped"),
        ..Truth::default()
    };
    for cause in counts.get("dead_lettered_by").and_then(Value::as_array).into_iter().flatten() {
        let reason = cause.get("reason").and_then(Value::as_str).unwrap_or_default();
        *found.rejected.entry(reason.to_owned()).or_default() += number(cause, "records");
    }
    if found != *truth {
        bail!("Millstream made {found:?} of the records, and it should have been {truth:?}");
    }
    Ok(())
}

/// A count in a JSON object.
pub fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(u64::MAX)
}
