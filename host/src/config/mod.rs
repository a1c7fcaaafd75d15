//! `pipeline.toml`: reading, checking, and what it means.
//!
//! In goes the text of the file, out comes a [`Config`] with every default filled in, or all that is wrong with it at
//! once ([`Faults`]). The way: [`parse`] → `tree` (tables and types) → `pipeline`, `source`, `stage`, `sink` (meaning).
//! Which settings there are is said in one table (`settings.rs`), which defaults and limits in `defaults.rs`. This
//! module opens nothing but the file itself and never prints a secret.

mod advice;
mod case;
mod context;
pub(crate) mod defaults;
mod env;
mod explain;
mod fault;
mod host;
mod json;
mod model;
mod options;
mod pipeline;
mod quantity;
mod redacted;
mod schedule;
mod schema;
mod secret;
mod setting;
mod settings;
mod sink;
mod source;
mod stage;
mod state;
mod suggest;
mod tree;
mod url;
mod words;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use toml::de::DeTable;

pub use defaults::ADMIN;
pub use explain::{Explanation, explain, explanations};
pub use fault::{CODES, ConfigText, Fault, Faults, Severity};
pub use model::*;
#[cfg(test)]
pub(crate) use quantity::show_bytes;
pub use schedule::Schedule;
pub use schema::schema;
pub use secret::mask_url;
pub use settings::settings_table;
pub use sink::table_at;

use context::Context;
use setting::Place;
use tree::Section;

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the file says.
    pub config: Config,
    /// What is likely to be a mistake all the same.
    pub warnings: Faults,
    /// The file's name and text, for faults that are found later: when a plugin refuses its config, say.
    pub source: Arc<ConfigText>,
}

/// Reads a configuration file. `env` looks up environment variables.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Faults> {
    let cannot_read = |text: String, offset: usize, message: String, hint: &str| {
        let source = Arc::new(ConfigText { path: path.to_owned(), masked: text });
        Faults::new(source, vec![Fault::new("cannot-read", offset..offset, message).hint(hint)])
    };
    let bytes = std::fs::read(path).map_err(|error| {
        cannot_read(String::new(), 0, format!("cannot read the configuration: {error}"), "name an existing file")
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(path, &text, env),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let text = secret::cover(&text, &secret::secrets_of_broken_text(&text));
            Err(cannot_read(text, good, "the configuration is not UTF-8".to_owned(), "save it as UTF-8"))
        }
    }
}

/// Reads the text of a configuration file; `path` is for messages and for the folder of relative paths.
pub fn parse(path: &Path, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Faults> {
    let mut cx = Context::new(path, text, env);
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let span = error.span().unwrap_or_default();
            cx.fault(Fault::new("toml-syntax", span, error.message()));
            cx.secrets.extend(secret::secrets_of_broken_text(text));
            return Err(finish(path, cx).1);
        }
    };
    let mut file = Section::new(Place::File, root.get_ref(), 0..0);
    file.check_names(&mut cx, None);
    let host = host::host(&mut cx, &file);
    let pipelines = pipeline::pipelines(&mut cx, &file);
    advice::advise(&mut cx, &pipelines);
    let tests = case::tests(&mut cx, &file, &pipelines);
    // where faults were found, the pipelines may be what is faulty
    if pipelines.is_empty() && cx.faults.is_empty() {
        let fault = Fault::new("no-pipeline", 0..0, "the file has no pipeline");
        cx.fault(fault.hint("add `[[pipeline]]` with a `name`, `[pipeline.source]` and `[pipeline.sink]`"));
    }
    let (source, faults) = finish(path, cx);
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(faults);
    }
    Ok(Loaded { config: Config { path: path.to_owned(), host, pipelines, tests }, warnings: faults, source })
}

fn finish(path: &Path, cx: Context<'_>) -> (Arc<ConfigText>, Faults) {
    let source = Arc::new(ConfigText { path: path.to_owned(), masked: cx.masked() });
    (source.clone(), Faults::new(source, cx.faults))
}
