//! Runs cargo, and rustup where the WebAssembly target is missing.
//!
//! What comes in is a crate folder; what goes out is the path of the core module that the compiler wrote, or its
//! messages. The build's settings are given here, so that a plugin's crate needs none.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::{BuildError, BuildEvent};

/// The target that gives a module no imports but those of the contract.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";
/// Fast and small: plugins run per record. Names of functions stay, for the backtraces of traps.
pub(super) const CONFIG: [&str; 6] = [
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.opt-level=3",
    "profile.release.strip=\"debuginfo\"",
    "target.wasm32-unknown-unknown.rustflags=[\"-Ctarget-feature=+simd128\"]",
];
/// These would replace the flags above by ones that are meant for native code.
const FOREIGN_FLAGS: [&str; 3] = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];
/// Most compiler errors that are passed on: the first ones tell what is wrong.
const MAX_ERRORS: usize = 20;

/// A line of cargo's output, which has many other kinds.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Line {
    CompilerArtifact {
        manifest_path: PathBuf,
        target: Target,
        filenames: Vec<PathBuf>,
        fresh: bool,
    },
    CompilerMessage {
        message: Diagnostic,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

/// Adds the target to the toolchain that builds `folder`, if it lacks it.
pub(super) fn ensure_target(folder: &Path, progress: &mut dyn FnMut(BuildEvent)) -> Result<(), BuildError> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(folder).args(["--print", "target-libdir", "--target", TARGET]);
    let output = rustc.output().map_err(|source| BuildError::NoTool { tool: "rustc", source })?;
    let libraries = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&libraries).is_dir() {
        return Ok(());
    }
    progress(BuildEvent::AddingTarget);
    let mut rustup = Command::new("rustup");
    let output = rustup.current_dir(folder).args(["target", "add", TARGET]).output();
    let failed = |messages: String| Err(BuildError::NoTarget { messages });
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => failed(format!("cannot run `rustup`: {error}")),
    }
}

/// Builds the library of the crate in `folder`, whose path is a real one, and finds its module.
pub(super) fn build(
    folder: &Path,
    target_dir: &Path,
    progress: &mut dyn FnMut(BuildEvent),
) -> Result<PathBuf, BuildError> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder).args(["build", "--quiet", "--release", "--lib", "--target", TARGET]);
    cargo.args(["--message-format", "json", "--target-dir"]).arg(target_dir);
    for setting in CONFIG {
        cargo.args(["--config", setting]);
    }
    for variable in FOREIGN_FLAGS {
        cargo.env_remove(variable);
    }
    let no_cargo = |source| BuildError::NoTool { tool: "cargo", source };
    let mut child =
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(no_cargo)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());

    let mut found = Found { manifest: folder.join("Cargo.toml"), module: None, errors: Vec::new() };
    // both pipes are read at once: a full one would stop cargo
    let complaints = std::thread::scope(|scope| {
        let complaints = scope.spawn(move || read_to_string(stderr));
        for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
            match line {
                Ok(line) => found.take(&line, progress),
                Err(_) => break,
            }
        }
        complaints.join().unwrap_or_default()
    });
    let status = child.wait().map_err(no_cargo)?;
    if !status.success() {
        // without errors of the compiler, cargo itself had one: a manifest, a dependency that cannot be fetched
        let messages = if found.errors.is_empty() { complaints } else { found.errors.join("\n") };
        return Err(BuildError::Compile { folder: folder.to_owned(), messages: messages.trim().to_owned() });
    }
    found.module.ok_or_else(|| BuildError::NoModule { folder: folder.to_owned() })
}

fn read_to_string(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    // what could be read up to a failure is still worth showing
    if let Some(mut pipe) = pipe
        && pipe.read_to_end(&mut bytes).is_err()
    {
        bytes.extend_from_slice(b"\n(the rest of cargo's messages could not be read)");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What cargo's output has told so far.
struct Found {
    manifest: PathBuf,
    module: Option<PathBuf>,
    errors: Vec<String>,
}

impl Found {
    fn take(&mut self, line: &str, progress: &mut dyn FnMut(BuildEvent)) {
        match serde_json::from_str(line) {
            Ok(Line::CompilerArtifact { manifest_path, target, filenames, fresh }) => {
                if manifest_path == self.manifest {
                    let module = filenames.into_iter().find(|name| name.extension().is_some_and(|it| it == "wasm"));
                    self.module = module.or(self.module.take());
                }
                if !fresh {
                    progress(BuildEvent::Compiled(target.name));
                }
            }
            Ok(Line::CompilerMessage { message: Diagnostic { level, rendered: Some(rendered) } }) => {
                match level.as_str() {
                    "warning" => progress(BuildEvent::Warning(rendered)),
                    "error" if self.errors.len() < MAX_ERRORS => self.errors.push(rendered),
                    _ => {}
                }
            }
            // a build script may print anything
            Ok(_) | Err(_) => {}
        }
    }
}
