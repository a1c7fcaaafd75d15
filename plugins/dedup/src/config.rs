//! The settings of the stage: which field is the key, when two keys are one, and how long a key is remembered.

use std::time::Duration;

use serde::Deserialize;

/// The settings as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A field's name or JSON pointer. Default `id`.
    key: Option<String>,
    /// `uuid` or `text`. Default `text`.
    format: Option<String>,
    /// Such as `20m` or `1h 30m`. Default: for ever.
    ttl: Option<String>,
}

/// How a key is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Upper- and lower-case forms are one key; what is no UUID is no key.
    Uuid,
    /// Its bytes as they are; an empty text is no key.
    Text,
}

impl Config {
    /// The field, as written.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("id")
    }

    /// How keys are read.
    pub fn format(&self) -> Result<Format, String> {
        match self.format.as_deref() {
            Some("uuid") => Ok(Format::Uuid),
            Some("text") | None => Ok(Format::Text),
            Some(other) => Err(format!("unknown `format` `{other}`; known are `uuid` and `text`")),
        }
    }

    /// How long a key is remembered; `None` for ever.
    pub fn ttl(&self) -> Result<Option<Duration>, String> {
        let Some(text) = &self.ttl else { return Ok(None) };
        let ttl = humantime::parse_duration(text)
            .map_err(|error| format!("`ttl` `{text}` is no time span: {error}; write for example `20m` or `1h 30m`"))?;
        if ttl.is_zero() {
            return Err(format!("`ttl` `{text}` forgets every key at once; leave it out to remember keys for ever"));
        }
        Ok(Some(ttl))
    }
}
