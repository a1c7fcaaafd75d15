//! A plugin's own sample tests: records, and what has to become of each.
//!
//! They lie beside the plugin and run in the real sandbox, one after the other, on a state of their own. In come a file
//! and a stage, out comes how each sample went. A version whose samples fail is not run: neither at the start, nor by a swap.

mod fate;

use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use toml::Spanned;

pub use fate::{Fate, Item, fates};

use crate::{
    record::{Batch, Headers, Record},
    transform::{Chain, ChainError, StageSpec},
};

/// The samples of a plugin.
#[derive(Debug, Clone)]
pub struct Samples {
    /// The file.
    pub path: PathBuf,
    /// The configuration that they are written for; `None`: that of the stage.
    pub config: Option<serde_json::Value>,
    /// In the order of the file.
    pub samples: Vec<Sample>,
}

/// One record, and what has to become of it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What it shows, in words.
    pub name: Option<String>,
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// Its value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Unix milliseconds; -1 where unknown.
    pub timestamp_ms: i64,
    /// What has to become of it.
    pub expected: Expected,
}

/// What has to become of a record, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// It goes on as it is.
    Keep,
    /// These go on in its place. Where `keys` are given, with these keys.
    Become {
        /// The values, in order.
        values: Vec<String>,
        /// The key of each; empty means none.
        keys: Option<Vec<String>>,
    },
    /// It is left out, with this reason code.
    Drop(String),
    /// It goes to the dead letters: with this code, or, where it has a colon, for exactly this reason.
    Reject(String),
}

/// How a sample went.
#[derive(Debug, Clone)]
pub struct Tried {
    /// What became of the record.
    pub fate: Fate,
    /// Whether that is what was expected.
    pub held: bool,
    /// How long the stage took.
    pub took: Duration,
}

/// Why samples cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SamplesError {
    /// The file cannot be read.
    #[error("cannot read the samples in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no file of samples.
    #[error("{}:{line}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The plugin does not start with the samples' configuration.
    #[error("the samples in `{}` cannot be run", path.display())]
    Start {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ChainError,
    },
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    config: Option<serde_json::Value>,
    #[serde(default)]
    sample: Vec<Spanned<WrittenSample>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSample {
    name: Option<String>,
    value: Option<String>,
    key: Option<String>,
    timestamp_ms: Option<i64>,
    keep: Option<bool>,
    replace: Option<String>,
    split: Option<Vec<String>>,
    keys: Option<Vec<String>>,
    drop: Option<String>,
    reject: Option<String>,
}

impl Samples {
    /// Where a plugin's samples lie, if it has any: `samples.toml` in its crate's folder, `NAME.samples.toml` beside `NAME.wasm`.
    pub fn beside(plugin: &Path) -> PathBuf {
        if plugin.is_dir() { plugin.join("samples.toml") } else { plugin.with_extension("samples.toml") }
    }

    /// Reads the samples of a plugin; `None` where it has none.
    pub fn of(plugin: &Path) -> Result<Option<Self>, SamplesError> {
        let path = Self::beside(plugin);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(path, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SamplesError::Read { path, source }),
        }
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self, SamplesError> {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let malformed = |span: Option<Range<usize>>, what: String| SamplesError::Malformed {
            path: path.clone(),
            line: line(span.map_or(0, |span| span.start)),
            what,
        };
        let written: Written = toml::from_str(text)
            .map_err(|error: toml::de::Error| malformed(error.span(), error.message().trim().to_owned()))?;
        let mut samples = Vec::with_capacity(written.sample.len());
        for sample in written.sample {
            let span = sample.span();
            let WrittenSample { name, value, key, timestamp_ms, keep, replace, split, keys, drop, reject } =
                sample.into_inner();
            let values = replace.map(|value| vec![value]).or(split);
            let expected = [
                keep.and_then(|keep| keep.then_some(Expected::Keep)),
                values.map(|values| Expected::Become { values, keys: keys.clone() }),
                drop.map(Expected::Drop),
                reject.map(Expected::Reject),
            ];
            let mut expected = expected.into_iter().flatten();
            let (Some(expected), None) = (expected.next(), expected.next()) else {
                let what = "a sample says in one word what has to become of it: `keep = true`, `replace = \"…\"`, \
                            `split = [\"…\"]`, `drop = \"code\"` or `reject = \"code\"`";
                return Err(malformed(Some(span), what.to_owned()));
            };
            match &expected {
                Expected::Become { values, keys: Some(keys) } if values.len() != keys.len() => {
                    let what = format!("{} `keys` for {} records", keys.len(), values.len());
                    return Err(malformed(Some(span), what));
                }
                Expected::Keep | Expected::Drop(_) | Expected::Reject(_) if keys.is_some() => {
                    return Err(malformed(Some(span), "`keys` go with `replace` and `split` only".to_owned()));
                }
                _ => {}
            }
            samples.push(Sample {
                name,
                line: line(span.start),
                value: value.map(String::into_bytes),
                key: key.map(String::into_bytes),
                timestamp_ms: timestamp_ms.unwrap_or(-1),
                expected,
            });
        }
        Ok(Self { config: written.config, path, samples })
    }

    /// Runs them on the stage, in its sandbox and with its limits, on an empty state: a sample finds what those before it
    /// have left. One answer for each.
    pub fn run(&self, spec: &StageSpec) -> Result<Vec<Tried>, SamplesError> {
        let failed = |source| SamplesError::Start { path: self.path.clone(), source };
        let config = self.config.as_ref().map_or_else(|| spec.config.clone(), serde_json::Value::to_string);
        let mut chain = Chain::new(vec![StageSpec { config, ..spec.clone() }]).map_err(failed)?;
        let mut tried = Vec::with_capacity(self.samples.len());
        for (offset, sample) in (0..).zip(&self.samples) {
            let mut batch = Batch::new("samples".into());
            batch.push(Record {
                key: sample.key.as_deref(),
                value: sample.value.as_deref(),
                headers: Headers::default(),
                timestamp_ms: sample.timestamp_ms,
                partition: 0,
                offset,
            });
            let begun = Instant::now();
            let processed = chain.run(Arc::new(batch)).map_err(failed)?;
            let took = begun.elapsed();
            let fate = fates(&processed).pop().unwrap_or_default();
            tried.push(Tried { held: sample.holds(&fate), fate, took });
        }
        Ok(tried)
    }

    /// What is wrong with a version, a line for each sample that failed, with its place; `None` where all held.
    pub fn faults(&self, tried: &[Tried]) -> Option<String> {
        let failed = self.samples.iter().zip(tried).filter(|(_, tried)| !tried.held);
        let lines: Vec<String> = failed
            .map(|(sample, tried)| {
                let name = sample.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                let (path, line, expected) = (self.path.display(), sample.line, &sample.expected);
                format!("{path}:{line}: sample{name}: expected to be {expected}, was {}", tried.fate)
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

impl Sample {
    fn holds(&self, fate: &Fate) -> bool {
        let Fate { written, dropped, rejected } = fate;
        match (&self.expected, written.as_slice(), dropped.as_slice(), rejected.as_slice()) {
            (Expected::Keep, [item], [], []) => item.value == self.value && item.key == self.key,
            (Expected::Become { values, keys }, written, [], []) => {
                let value = |item: &Item| item.value.clone().unwrap_or_default();
                let key = |item: &Item| item.key.clone().unwrap_or_default();
                written.iter().map(value).eq(values.iter().map(|value| value.clone().into_bytes()))
                    && keys
                        .as_ref()
                        .is_none_or(|keys| written.iter().map(key).eq(keys.iter().map(|key| key.clone().into_bytes())))
            }
            (Expected::Drop(code), [], [reason], []) => reason == code,
            (Expected::Reject(code), [], [], [reason]) => {
                reason == code || crate::state::reason_code(reason) == code.as_str()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Expected {
    /// Continues "expected to be …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("kept as it is"),
            Self::Become { values, keys } => {
                let items: Vec<String> = values
                    .iter()
                    .enumerate()
                    .map(|(i, value)| match keys.as_ref().and_then(|keys| keys.get(i)) {
                        Some(key) => format!("written as `{value}` with key `{key}`"),
                        None => format!("written as `{value}`"),
                    })
                    .collect();
                f.write_str(&items.join(", "))
            }
            Self::Drop(code) => write!(f, "dropped (`{code}`)"),
            Self::Reject(code) => write!(f, "rejected (`{code}`)"),
        }
    }
}

#[cfg(test)]
mod tests;
