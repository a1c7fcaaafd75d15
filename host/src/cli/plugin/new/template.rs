//! The files of a new plugin. They lie beside this one as they are written, but for what stands in `{{…}}`.

use super::{Kind, Lang, Place, sdk};
use crate::plugin::build::COMPONENTIZE_PY;

/// What an interpreter needs beyond the defaults of a stage.
const INTERPRETER: &str = "  memory = \"256MiB\"\n";

/// A file to be written.
pub(super) struct File {
    /// Below the plugin's folder.
    pub(super) path: &'static str,
    pub(super) text: String,
}

macro_rules! template {
    ($($part:literal),+) => {
        include_str!(concat!("templates/", $($part),+))
    };
}

/// The text of the one of four files that belongs to the kind.
macro_rules! by_kind {
    ($kind:expr, $folder:literal, $file:literal) => {
        match $kind {
            Kind::Filter => template!($folder, "filter", $file),
            Kind::Map => template!($folder, "map", $file),
            Kind::Validate => template!($folder, "validate", $file),
            Kind::Stateful => template!($folder, "stateful", $file),
        }
    };
}

/// All files.
pub(super) fn files(lang: Lang, kind: Kind, place: &Place) -> Vec<File> {
    let mut files = match lang {
        Lang::Rust => rust(kind),
        Lang::Python => python(kind),
        Lang::Javascript => javascript(kind),
    };
    files.push(("samples.toml", by_kind!(kind, "samples/", ".toml")));
    files.into_iter().map(|(path, text)| File { path, text: filled(text, kind, place) }).collect()
}

fn rust(kind: Kind) -> Vec<(&'static str, &'static str)> {
    vec![
        ("Cargo.toml", template!("rust/Cargo.toml.txt")),
        ("README.md", template!("rust/README.md")),
        (".gitignore", template!("rust/gitignore")),
        ("src/lib.rs", by_kind!(kind, "rust/", "/lib.rs")),
        ("src/rules.rs", by_kind!(kind, "rust/", "/rules.rs")),
        ("src/tests.rs", by_kind!(kind, "rust/", "/tests.rs")),
    ]
}

fn python(kind: Kind) -> Vec<(&'static str, &'static str)> {
    vec![
        ("pyproject.toml", template!("python/pyproject.toml")),
        ("README.md", template!("python/README.md")),
        (".gitignore", template!("python/gitignore")),
        ("millstream.py", template!("python/millstream.py")),
        ("plugin.py", by_kind!(kind, "python/", "/plugin.py")),
        ("test_plugin.py", by_kind!(kind, "python/", "/test_plugin.py")),
    ]
}

fn javascript(kind: Kind) -> Vec<(&'static str, &'static str)> {
    vec![
        ("package.json", template!("javascript/package.json")),
        ("README.md", template!("javascript/README.md")),
        (".gitignore", template!("javascript/gitignore")),
        ("millstream.js", template!("javascript/millstream.js")),
        ("plugin.js", by_kind!(kind, "javascript/", "/plugin.js")),
        ("plugin.test.js", by_kind!(kind, "javascript/", "/plugin.test.js")),
    ]
}

fn filled(text: &str, kind: Kind, place: &Place) -> String {
    let more = if kind == Kind::Map { "\nserde_json = \"1\" # the new values" } else { "" };
    let grant = if kind == Kind::Stateful { "\ngrant = [\"state\"]" } else { "" };
    [
        ("{{name}}", place.name.as_str()),
        ("{{what}}", what(kind)),
        ("{{config}}", config(kind)),
        ("{{grant}}", grant),
        ("{{more}}", more),
        ("{{state}}", if kind == Kind::Stateful { "true" } else { "false" }),
        ("{{componentize}}", format!("componentize-py=={COMPONENTIZE_PY}").as_str()),
        ("{{sdk}}", place.sdk.dependency().as_str()),
        ("{{workspace}}", place.workspace.table()),
        ("{{repository}}", sdk::repository()),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
    .trim_end()
    .to_owned()
        + "\n"
}

/// What it does, in a few words.
fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Filter => "Lets through users who registered lately, and leaves out those of blocked domains",
        Kind::Map => "Makes a short contact of a user, with the user's id as the record's key",
        Kind::Validate => "Lets through users whose fields look as they should",
        Kind::Stateful => "Lets through so many records of each user within a time",
    }
}

/// Settings that show what there is to set.
fn config(kind: Kind) -> &'static str {
    match kind {
        Kind::Filter => "{ since = \"2010-01-01\", block = [\"spam.example\"] }",
        Kind::Map => "{ source = \"crm\" }",
        Kind::Validate => "{ genders = [\"female\", \"male\"] }",
        Kind::Stateful => "{ limit = 100, ttl_seconds = 3600 }",
    }
}

/// The stage, as it stands in `pipeline.toml`.
pub(super) fn stage(lang: Lang, kind: Kind, folder: &str) -> String {
    let grant = if kind == Kind::Stateful { "  grant = [\"state\"]\n" } else { "" };
    let limits = if lang == Lang::Rust { "" } else { INTERPRETER };
    format!("  [[pipeline.stage]]\n  plugin = \"{folder}\"\n{grant}{limits}  config = {}\n", config(kind))
}

/// Commands and what they do, in order.
pub(super) fn next_steps(lang: Lang, folder: &str) -> Vec<(String, &'static str)> {
    let mut steps = match lang {
        Lang::Rust => vec![(format!("(cd {folder} && cargo test)"), "its rules and the whole plugin, natively")],
        Lang::Python => vec![
            (format!("(cd {folder} && python3 -m unittest)"), "its tests, natively"),
            (
                format!(
                    "python3 -m venv {folder}/.venv && {folder}/.venv/bin/pip install componentize-py=={COMPONENTIZE_PY}"
                ),
                "what makes the component",
            ),
        ],
        Lang::Javascript => vec![
            (format!("(cd {folder} && npm test)"), "its tests, natively"),
            (format!("npm install --prefix {folder}"), "componentize-js, which makes the component"),
        ],
    };
    steps.push((format!("millstream plugin test {folder}"), "builds it, and runs its samples in the sandbox"));
    steps.push((format!("millstream plugin bench {folder}"), "what a record costs"));
    steps
}
