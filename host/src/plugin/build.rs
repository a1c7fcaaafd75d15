//! From a plugin's folder to a component that can be loaded.
//!
//! What comes in is a folder with a `Cargo.toml`, or a project in another language (`script`); what goes out is a `.wasm` file in
//! the workspace's target folder.
//! Builds have a target folder of their own, so they never wait for, nor spoil, a build of the workspace itself.
//! Where nothing has changed since the last time, nothing is run, not even cargo. This never loads what it built.

mod cargo;
mod script;
mod stamp;
mod wrap;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

pub use wrap::{WrapError, componentize, is_component};

/// A plugin that is ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The component.
    pub wasm: PathBuf,
    /// Its SHA-256, in lower-case hex.
    pub sha256: String,
    /// Nothing had changed, so nothing was run.
    pub fresh: bool,
    /// The files that decide what is built: a change in one of them asks for another build.
    pub sources: Vec<PathBuf>,
}

/// What a build is doing, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    /// The compiler's WebAssembly target is missing; rustup is fetching it.
    AddingTarget,
    /// Cargo was started for the plugin of this name.
    Building(String),
    /// A crate was compiled, the plugin's own or one that it depends on.
    Compiled(String),
    /// The compiler warned; its message, as it words it.
    Warning(String),
}

impl fmt::Display for BuildEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddingTarget => f.write_str("fetching the compiler's WebAssembly target (once)"),
            Self::Building(name) => write!(f, "building plugin {name}"),
            Self::Compiled(name) => write!(f, "compiled {name}"),
            Self::Warning(message) => f.write_str(message.trim_end()),
        }
    }
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder holds no crate.
    #[error(
        "cannot build the plugin `{}`: cannot read its `Cargo.toml` (nor is there a `pyproject.toml` or `package.json`); name a \
         crate folder or a `.wasm` file",
        folder.display()
    )]
    NoCrate {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A manifest cannot be understood.
    #[error("cannot build a plugin: `{}` is no package's manifest: {what}", manifest.display())]
    BadManifest {
        /// The file.
        manifest: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A tool cannot be started.
    #[error(
        "cannot run `{tool}` to build a plugin; install Rust from https://rustup.rs, or name a `.wasm` file instead of a crate folder"
    )]
    NoTool {
        /// The tool.
        tool: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The tool of another language is not there.
    #[error(
        "cannot build the plugin `{}`: `{tool}` is not installed, neither for it nor on the PATH; this installs it:\n  {install}",
        folder.display()
    )]
    NoScriptTool {
        /// The project's folder.
        folder: PathBuf,
        /// The tool.
        tool: &'static str,
        /// The command that installs it.
        install: String,
    },
    /// The target is missing and could not be added.
    #[error(
        "cannot add the compiler's WebAssembly target; run `rustup target add {}` yourself: {messages}",
        cargo::TARGET
    )]
    NoTarget {
        /// What rustup said.
        messages: String,
    },
    /// The crate does not compile, or cargo refused it.
    #[error("cannot build the plugin `{}`:\n{messages}", folder.display())]
    Compile {
        /// The crate's folder.
        folder: PathBuf,
        /// The compiler's messages, as it words them, with file and line.
        messages: String,
    },
    /// The crate compiles, but not to a WebAssembly module.
    #[error("the crate `{}` builds no WebAssembly module; put `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]` in its `Cargo.toml`", folder.display())]
    NoModule {
        /// The crate's folder.
        folder: PathBuf,
    },
    /// The module is no plugin.
    #[error("cannot make a component of `{}`", module.display())]
    Wrap {
        /// The module.
        module: PathBuf,
        /// Why not.
        source: WrapError,
    },
    /// A file cannot be read or written.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The release of componentize-py that new projects in Python are built with; those in JavaScript name theirs in `package.json`.
pub const COMPONENTIZE_PY: &str = "0.25.1";

/// Builds the plugin whose crate or project is in `folder`, unless it has been built and nothing has changed since. Blocks, for
/// minutes where the crate's dependencies have to be compiled first.
pub fn build(folder: &Path, progress: &mut dyn FnMut(BuildEvent)) -> Result<Built, BuildError> {
    if let Some(language) = script::Language::of(folder) {
        return script::build(language, folder, progress);
    }
    let package = Package::find(folder)?;
    let stamp = package.output("component.json");
    let wasm = package.output("component.wasm");
    // a project that was copied with its target folder has the stamp of the place it came from
    let manifest = package.folder.join("Cargo.toml");
    if let Some(known) = stamp::Stamp::read(&stamp).filter(|known| known.names(&manifest) && known.holds(&wasm)) {
        let sources = known.sources();
        return Ok(Built { wasm, sha256: known.component_sha256, fresh: true, sources });
    }

    cargo::ensure_target(&package.folder, progress)?;
    progress(BuildEvent::Building(package.name.clone()));
    let started = SystemTime::now();
    let module = cargo::build(&package.folder, &package.target_dir, progress)?;

    let component =
        componentize(&read(&module)?).map_err(|source| BuildError::Wrap { module: module.clone(), source })?;
    write(&wasm, &component)?;
    let new = stamp::Stamp::take(&package.folder, &module, stamp::sha256(&component));
    // a source that changed under the compiler's hands may or may not be in the component: then no stamp, and the
    // next build asks cargo
    if let Some(text) = new.as_ref().filter(|new| new.is_older_than(started)).and_then(stamp::Stamp::to_json) {
        write(&stamp, text.as_bytes())?;
    }
    let sources = new.map_or_else(Vec::new, |new| new.sources());
    Ok(Built { wasm, sha256: stamp::sha256(&component), fresh: false, sources })
}

/// A plugin's package and where its results go.
struct Package {
    folder: PathBuf,
    name: String,
    target_dir: PathBuf,
}

impl Package {
    fn find(folder: &Path) -> Result<Self, BuildError> {
        let no_crate = |source| BuildError::NoCrate { folder: folder.to_owned(), source };
        // cargo names manifests by their real paths
        let real = folder.canonicalize().map_err(no_crate)?;
        let path = real.join("Cargo.toml");
        let manifest = parse(&path, &fs::read_to_string(&path).map_err(no_crate)?)?;
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
        let Some(name) = name.map(str::to_owned) else {
            return Err(BuildError::BadManifest { manifest: path, what: "it has no `package.name`".to_owned() });
        };
        let target_dir = target_root(&real)?.join("plugins");
        Ok(Self { folder: real, name, target_dir })
    }

    fn output(&self, extension: &str) -> PathBuf {
        self.target_dir.join(format!("{}.{extension}", self.name))
    }
}

/// The target folder of what lies in `folder`, whose path is a real one.
fn target_root(folder: &Path) -> Result<PathBuf, BuildError> {
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(named.map_or(workspace_root(folder)?.join("target"), |named| folder.join(named)))
}

/// The nearest folder from `folder` upwards whose manifest is a workspace's; `folder` where there is none.
fn workspace_root(folder: &Path) -> Result<PathBuf, BuildError> {
    for parent in folder.ancestors() {
        let path = parent.join("Cargo.toml");
        if let Ok(text) = fs::read_to_string(&path)
            && parse(&path, &text)?.contains_key("workspace")
        {
            return Ok(parent.to_owned());
        }
    }
    Ok(folder.to_owned())
}

fn parse(path: &Path, text: &str) -> Result<toml::Table, BuildError> {
    text.parse().map_err(|error: toml::de::Error| BuildError::BadManifest {
        manifest: path.to_owned(),
        what: error.to_string(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(|source| BuildError::Io { what: "read", path: path.to_owned(), source })
}

/// Writes a whole file at once: whoever reads it meanwhile sees the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let name = format!("tmp-{}-{}", std::process::id(), WRITES.fetch_add(1, Ordering::Relaxed));
    let temporary = path.with_extension(name);
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).map_err(|source| BuildError::Io {
        what: "write",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
