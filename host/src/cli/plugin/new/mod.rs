//! `millstream plugin new`: a small, complete plugin to begin with: sources, tests and samples.
//!
//! What comes in is a name, a language and a kind; what goes out is a folder. Nothing that is there is ever changed.

mod name;
mod sdk;
mod template;
mod workspace;

use std::{fs, io, path::Path};

use anyhow::Context;

use super::{Exit, NewArgs};

/// What a plugin is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Lang {
    /// The fastest by far
    Rust,
    /// By componentize-py
    Python,
    /// By componentize-js
    Javascript,
}

/// What a plugin does with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// Keeps records or drops them
    Filter,
    /// Makes another value and key of each
    Map,
    /// Keeps records or sends them to the dead letters
    Validate,
    /// Remembers what it has seen, in a store that the host keeps
    Stateful,
}

impl Lang {
    fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Javascript => "javascript",
        }
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Map => "map",
            Self::Validate => "validate",
            Self::Stateful => "stateful",
        }
    }
}

/// Writes it.
pub fn new(args: &NewArgs) -> anyhow::Result<Exit> {
    let folder = args.name.as_path();
    let name = match name::of(folder) {
        Ok(name) => name,
        Err(what) => return Ok(refused(&what)),
    };
    if let Err(what) = is_free(folder) {
        return Ok(refused(&what));
    }
    // Made first: where it lies decides about what is written there.
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let folder = folder.canonicalize().with_context(|| format!("cannot find the folder `{}`", folder.display()))?;
    let place = Place { name, sdk: sdk::Sdk::found(&folder), workspace: workspace::Workspace::around(&folder)? };
    for file in template::files(args.lang, args.kind, &place) {
        write(&folder.join(file.path), &file.text)?;
    }
    print!("{}", told(args, &place));
    Ok(Exit::Fine)
}

/// What a template has to know.
struct Place {
    name: String,
    sdk: sdk::Sdk,
    workspace: workspace::Workspace,
}

fn refused(what: &str) -> Exit {
    eprintln!("error: {what}");
    Exit::Usage
}

/// An error where there is something at that place already.
fn is_free(folder: &Path) -> Result<(), String> {
    let taken = |what: &str| {
        let folder = folder.display();
        Err(format!("`{folder}` {what}; nothing was written. Take another name, or remove it first"))
    };
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| taken("is there already and is not empty")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) if folder.exists() => taken("is there already and is no folder"),
        Err(error) => Err(format!("cannot look into `{}`: {error}", folder.display())),
    }
}

/// Writes a new file; one that came up meanwhile stays as it is.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder `{}`", parent.display()))?;
    }
    let written = fs::File::create_new(path).and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.with_context(|| format!("cannot write `{}`", path.display()))
}

/// What was made, and what to do next.
fn told(args: &NewArgs, place: &Place) -> String {
    let folder = args.name.display();
    let (kind, lang) = (args.kind.word(), args.lang.word());
    let mut text = format!("made `{}`, a {kind} in {lang}, in {folder}/\n", place.name);
    if args.lang == Lang::Rust {
        text.push_str(&format!("  {}\n  {}\n", place.sdk, place.workspace));
    }
    text.push_str("\nnext:\n");
    for (command, what) in template::next_steps(args.lang, &args.name.to_string_lossy()) {
        text.push_str(&format!("  {command:<44} {what}\n"));
    }
    let stage = template::stage(args.lang, args.kind, &args.name.to_string_lossy());
    text.push_str(&format!("\nand in pipeline.toml, among the stages of a pipeline:\n{stage}"));
    text
}
