//! From the bytes of a `.wasm` file to a plugin that can be instantiated: compiled, and checked for what it speaks and
//! what it asks for.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, InstancePre};

use super::{Capability, bindings, build::componentize, engine::PluginEngine, failures::Failures, guest::Guest};

/// Version of the contract that this host speaks.
pub const ABI: &str = "0.1.0";
const PACKAGE: &str = "millstream:plugin/";
const WASI: &str = "wasi:";
const STATE: &str = "millstream:plugin/state@";

/// A compiled plugin. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(super) pre: bindings::PluginPre<Guest>,
    path: PathBuf,
    sha256: String,
    /// Of the file, which may hold a core module that was wrapped here.
    file_sha256: String,
    imported: &'static [Capability],
    failures: Arc<Failures>,
}

/// Why a file is not a plugin that this host can run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not WebAssembly, or not a component that the engine takes.
    #[error("`{}` is not a WebAssembly component: {what}; build the plugin's crate with `millstream plugin build`", path.display())]
    NotComponent {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        what: String,
    },
    /// It is a component, but not a plugin.
    #[error("`{}` is a component but no Millstream plugin: it does not export `{PACKAGE}stage@{ABI}`", .0.display())]
    NotPlugin(PathBuf),
    /// It speaks another version of the contract.
    #[error("`{}` speaks plugin@{found}, this host speaks plugin@{ABI}; rebuild it with the SDK of this release", path.display())]
    WrongAbi {
        /// The file.
        path: PathBuf,
        /// The version it speaks.
        found: String,
    },
    /// It asks for something that no stage is given.
    #[error("`{}` asks for `{import}`, which is not granted to plugins", path.display())]
    NotGranted {
        /// The file.
        path: PathBuf,
        /// The import.
        import: String,
    },
}

impl Plugin {
    /// Reads and compiles a component, or a core module built with the SDK.
    pub fn load(engine: &PluginEngine, path: &Path) -> Result<Self, LoadError> {
        let bytes = std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        Self::compile(engine, path, &bytes)
    }

    /// As [`Plugin::load`], but takes one of the `known` where it is the same component.
    pub fn load_unless_known(engine: &PluginEngine, path: &Path, known: &[Plugin]) -> Result<Self, LoadError> {
        let bytes = std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        let sha256 = sha256(&bytes);
        match known.iter().find(|known| known.file_sha256 == sha256) {
            Some(known) => Ok(Self { path: path.to_owned(), ..known.clone() }),
            None => Self::compile(engine, path, &bytes),
        }
    }

    /// Compiles the bytes of a component; `path` is for messages.
    pub fn compile(engine: &PluginEngine, path: &Path, bytes: &[u8]) -> Result<Self, LoadError> {
        let file_sha256 = sha256(bytes);
        let not_component = |what: String| LoadError::NotComponent { path: path.to_owned(), what };
        if !bytes.starts_with(b"\0asm") {
            return Err(not_component("it does not begin as WebAssembly does".to_owned()));
        }
        let bytes = &*componentize(bytes).map_err(|e| not_component(e.to_string()))?;
        let sha256 = sha256(bytes);
        let component = engine.component(&sha256, bytes).map_err(|e| not_component(format!("{e:#}")))?;
        let imported = check_world(engine, &component, path)?;
        let pre = instantiable(engine, &component).and_then(bindings::PluginPre::new);
        let pre = pre.map_err(|e| not_component(format!("{e:#}")))?;
        let failures = Arc::default();
        Ok(Self { pre, path: path.to_owned(), sha256, file_sha256, imported, failures })
    }

    /// SHA-256 of the component, in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What is told of its failures.
    pub(crate) fn failures(&self) -> &Failures {
        &self.failures
    }

    pub(super) fn component(&self) -> &Component {
        self.pre.instance_pre().component()
    }

    /// What it imports that a stage has to grant.
    pub(super) fn imported(&self) -> &'static [Capability] {
        self.imported
    }

    /// The interfaces that it imports and exports, by name.
    pub fn interfaces(&self, engine: &PluginEngine) -> (Vec<String>, Vec<String>) {
        let ty = self.component().component_type();
        let imports = ty.imports(&engine.engine).map(|(name, _)| name.to_owned()).collect();
        (imports, ty.exports(&engine.engine).map(|(name, _)| name.to_owned()).collect())
    }

    /// Its file's name without endings: a plugin's own word for itself is not to be relied on.
    pub(super) fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let name = file.strip_suffix(".wasm").unwrap_or(&file);
        name.strip_suffix(".component").unwrap_or(name).to_owned()
    }

    /// The file that it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Gives a component its imports. One that was built for WASI finds all of it there and nothing granted: whatever it calls of
/// it is a trap. What is linked for one component is never seen by another.
fn instantiable(engine: &PluginEngine, component: &Component) -> wasmtime::Result<InstancePre<Guest>> {
    let ty = component.component_type();
    if !ty.imports(&engine.engine).any(|(import, _)| import.starts_with(WASI)) {
        return engine.linker.instantiate_pre(component);
    }
    let mut linker = (*engine.linker).clone();
    linker.define_unknown_imports_as_traps(component)?;
    linker.instantiate_pre(component)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks that the component exports the contract's version and imports nothing beyond it. Gives what it imports that a
/// stage has to grant.
fn check_world(engine: &PluginEngine, component: &Component, path: &Path) -> Result<&'static [Capability], LoadError> {
    let ty = component.component_type();
    let version = |name: &str| name.strip_prefix(PACKAGE)?.split_once('@').map(|(_, version)| version.to_owned());
    let spoken = ty.exports(&engine.engine).find(|(name, _)| name.starts_with("millstream:plugin/stage@"));
    let Some(found) = spoken.and_then(|(name, _)| version(name)) else {
        return Err(LoadError::NotPlugin(path.to_owned()));
    };
    if found != ABI {
        return Err(LoadError::WrongAbi { path: path.to_owned(), found });
    }
    let mut imported: &[Capability] = &[];
    for (import, _) in ty.imports(&engine.engine) {
        match version(import) {
            Some(found) if found != ABI => return Err(LoadError::WrongAbi { path: path.to_owned(), found }),
            Some(_) if import.starts_with(STATE) => imported = &[Capability::State],
            Some(_) => {}
            None if import.starts_with(WASI) => {}
            None => return Err(LoadError::NotGranted { path: path.to_owned(), import: import.to_owned() }),
        }
    }
    Ok(imported)
}
