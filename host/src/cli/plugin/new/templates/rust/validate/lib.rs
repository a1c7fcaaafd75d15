//! Lets through users whose fields look as they should; the others go to the dead letters with the reason.
//!
//! What comes in are four fields of each record; what goes out is nothing, or the first fault in their order: `bad_uuid`, `bad_email`,
//! `bad_gender`, `bad_post_code`, or `missing_field` and `wrong_type` of any of them. What the rules are is in [`rules`].

pub mod rules;

use millstream_sdk::{Fields, Plugin, Record, Setup, Text, Typed, Verdict};
use serde::Deserialize;

/// The stage's `config` in `pipeline.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// What a gender may be.
    genders: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { genders: vec!["female".to_owned(), "male".to_owned()] }
    }
}

/// What the plugin needs of a record. The host takes out these fields and no others.
#[derive(Fields)]
struct User<'a> {
    id: &'a str,
    email: &'a str,
    gender: &'a str,
    /// Some come as a number, some as a text.
    post_code: Option<Text<'a>>,
}

/// The plugin.
pub struct Validate {
    config: Config,
    user: Typed<User<'static>>,
}

impl Plugin for Validate {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        let config: Config = setup.config()?;
        if config.genders.is_empty() {
            return Err("`genders` is empty, so every record would be rejected".to_owned());
        }
        Ok(Self { config, user: setup.fields() })
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        match self.user.read(record) {
            Ok(user) => self.fault(&user).map_or(Verdict::Keep, |reason| Verdict::Reject(reason.into())),
            Err(fault) => fault.into(),
        }
    }
}

impl Validate {
    /// The first thing that is wrong, as `code: field`. Codes are counted, so they are few and stay as they are.
    fn fault(&self, user: &User<'_>) -> Option<&'static str> {
        if !rules::is_uuid(user.id) {
            return Some("bad_uuid: id");
        }
        if !rules::is_email(user.email) {
            return Some("bad_email: email");
        }
        if !self.config.genders.iter().any(|gender| gender == user.gender) {
            return Some("bad_gender: gender");
        }
        user.post_code.is_some_and(|post_code| post_code.0.is_empty()).then_some("bad_post_code: post_code")
    }
}

millstream_sdk::export!(Validate);

#[cfg(test)]
mod tests;
