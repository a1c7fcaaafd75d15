//! Plugins in Python and JavaScript: from a project's folder to a component, by the tools that their registries have.
//!
//! What comes in is a folder with a `pyproject.toml` or a `package.json`; what goes out is a component with the interpreter in it. The
//! contract and an entry that ties it to the author's module are written beside the result, so that a project holds nothing but
//! what its author reads. The tools are found, never fetched: where one is missing the error has the command that installs it.

mod manifest;
mod tool;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use super::{BuildError, BuildEvent, Built, is_component, read, stamp, target_root, write};
use manifest::Manifest;

/// What a plugin is written in, beside Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    JavaScript,
}

/// The contract, and the two worlds of it that scripts are built for: what is imported has to be granted, so one that keeps
/// nothing must not import the state.
const CONTRACT: &str = include_str!("../../../../wit/plugin.wit");
const WORLDS: &str = include_str!("script/worlds.wit");
/// Deepest that sources are looked for, and most of them: beyond that the folder is no plugin's.
const MAX_DEPTH: usize = 16;
const MAX_SOURCES: usize = 10_000;
/// Folders that hold no sources of the author's.
const FOREIGN: [&str; 4] = ["node_modules", "target", "__pycache__", "venv"];

impl Language {
    /// That of the project in a folder; `None` where there is no such project.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let has = |name| folder.join(name).is_file();
        if has("Cargo.toml") {
            return None;
        }
        [Self::Python, Self::JavaScript].into_iter().find(|language| has(language.manifest()))
    }

    fn manifest(self) -> &'static str {
        match self {
            Self::Python => "pyproject.toml",
            Self::JavaScript => "package.json",
        }
    }

    /// Whether a file of that name is a source of the plugin rather than a test of it.
    fn is_source(self, name: &str) -> bool {
        match self {
            Self::Python => name.ends_with(".py") && !name.starts_with("test_"),
            Self::JavaScript => {
                (name.ends_with(".js") || name.ends_with(".mjs"))
                    && !name.contains(".test.")
                    && !name.contains(".spec.")
            }
        }
    }
}

/// Builds the plugin in `folder`, unless it has been built and nothing has changed since. Blocks, for some seconds.
pub(super) fn build(
    language: Language,
    folder: &Path,
    progress: &mut dyn FnMut(BuildEvent),
) -> Result<Built, BuildError> {
    let folder = folder.canonicalize().map_err(|source| BuildError::NoCrate { folder: folder.to_owned(), source })?;
    let manifest = Manifest::read(language, &folder)?;
    let manifest_path = folder.join(language.manifest());
    let target = target_root(&folder)?.join("plugins");
    let wasm = target.join(format!("{}.component.wasm", manifest.name));
    let stamp = target.join(format!("{}.component.json", manifest.name));
    if let Some(known) = stamp::Stamp::read(&stamp).filter(|known| known.names(&manifest_path) && known.holds(&wasm)) {
        let sources = known.sources();
        return Ok(Built { wasm, sha256: known.component_sha256, fresh: true, sources });
    }

    let tool = tool::find(language, &folder)?;
    progress(BuildEvent::Building(manifest.name.clone()));
    let started = SystemTime::now();
    let sources = sources(language, &folder)?;
    let work = target.join(format!("{}.build", manifest.name));
    let made = work.join("made.wasm");
    prepare(language, &folder, &manifest, &work)?;
    run(language, &tool, &folder, &manifest, &work, &made)?;
    let component = read(&made)?;
    if !is_component(&component) {
        let messages = format!("`{}` made no component", tool.display());
        return Err(BuildError::Compile { folder, messages });
    }
    write(&wasm, &component)?;
    let new = stamp::Stamp::of(sources, stamp::sha256(&component));
    // A source that changed meanwhile may or may not be in the component: then no stamp, and the next build makes it anew.
    if let Some(text) = new.is_older_than(started).then(|| new.to_json()).flatten() {
        write(&stamp, text.as_bytes())?;
    }
    Ok(Built { wasm, sha256: stamp::sha256(&component), fresh: false, sources: new.sources() })
}

/// Writes the contract and the entry, which names the plugin as its manifest does.
fn prepare(language: Language, folder: &Path, manifest: &Manifest, work: &Path) -> Result<(), BuildError> {
    // What an earlier build has left there may be gone from the project.
    if work.exists() {
        let cleared = fs::remove_dir_all(work);
        cleared.map_err(|source| BuildError::Io { what: "clear the folder", path: work.to_owned(), source })?;
    }
    make_folder(&work.join("wit"))?;
    write(&work.join("wit").join("plugin.wit"), CONTRACT.as_bytes())?;
    write(&work.join("wit").join("worlds.wit"), WORLDS.as_bytes())?;
    let (name, version) = (quoted(&manifest.name), quoted(&manifest.version));
    match language {
        Language::Python => {
            let module = &manifest.module;
            let entry = format!("import {module}\nimport millstream\n\nStage = millstream.stage({name}, {version})\n");
            write(&work.join("millstream_entry.py"), entry.as_bytes())
        }
        Language::JavaScript => {
            // Relative names are looked for beside the file that has them, so the sources lie beside the entry.
            for source in sources(language, folder)? {
                if let Ok(below) = source.strip_prefix(folder) {
                    let copy = work.join("js").join(below);
                    make_folder(copy.parent().unwrap_or(work))?;
                    write(&copy, &read(&source)?)?;
                }
            }
            make_folder(&work.join("js"))?;
            let module = quoted(&format!("./{}", manifest.module));
            let (state, given) = match manifest.keeps_state {
                true => ("import * as state from \"millstream:plugin/state@0.1.0\";\n", "{ log, state }"),
                false => ("", "{ log }"),
            };
            let entry = format!(
                "import * as log from \"millstream:plugin/log@0.1.0\";\n{state}import {{ stage as made }} from \"./millstream.js\";\n\
                 import Plugin from {module};\n\nexport const stage = made(Plugin, {name}, {version}, {given});\n"
            );
            write(&work.join("js").join("millstream_entry.js"), entry.as_bytes())
        }
    }
}

/// As a text of JSON, which is one of both languages, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn make_folder(path: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(path).map_err(|source| BuildError::Io { what: "make the folder", path: path.to_owned(), source })
}

fn run(
    language: Language,
    tool: &Path,
    folder: &Path,
    manifest: &Manifest,
    work: &Path,
    made: &Path,
) -> Result<(), BuildError> {
    let world = if manifest.keeps_state { "script-with-state" } else { "script" };
    let mut command = Command::new(tool);
    command.current_dir(work).stdin(Stdio::null());
    // What the author did wrong is told before it; where in the tool that was noticed would only bury it.
    command.env("RUST_BACKTRACE", "0");
    match language {
        Language::Python => {
            command.args(["--quiet", "--wit-path", "wit", "--world", world, "componentize", "--stub-wasi"]);
            command.args([
                OsStr::new("--python-path"),
                folder.as_os_str(),
                OsStr::new("--python-path"),
                OsStr::new("."),
            ]);
            command.arg("--output").arg(made).arg("millstream_entry");
        }
        Language::JavaScript => {
            command.arg(work.join("js").join("millstream_entry.js"));
            command.arg("--wit").arg(work.join("wit")).args(["--world-name", world]);
            // All that it knows of: a plugin is granted none of it.
            command.args(["--disable", "stdio", "random", "clocks", "http", "fetch-event", "--out"]).arg(made);
        }
    }
    let output = command.output().map_err(|source| BuildError::Io { what: "run", path: tool.to_owned(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    Err(BuildError::Compile { folder: folder.to_owned(), messages: said.join("\n").trim().to_owned() })
}

/// The author's sources, and the manifest.
fn sources(language: Language, folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = vec![folder.join(language.manifest())];
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((next, depth)) = folders.pop() {
        let failed = |source| BuildError::Io { what: "look into", path: next.clone(), source };
        for entry in fs::read_dir(&next).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = entry.path();
            if path.is_dir() {
                if !name.starts_with('.') && !FOREIGN.contains(&&*name) && depth < MAX_DEPTH {
                    folders.push((path, depth + 1));
                }
            } else if language.is_source(&name) && found.len() < MAX_SOURCES {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests;
