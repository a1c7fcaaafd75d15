//! Lets through users who registered lately, and leaves out those of blocked domains.
//!
//! What comes in are two fields of each record; what goes out is a verdict: kept as it is, or dropped as `too_old` or `blocked`. A record
//! without a date is rejected as `missing_field: registered_date`. What the words mean is in [`rules`].

pub mod rules;

use millstream_sdk::{Fields, Plugin, Record, Setup, Typed, Verdict};
use serde::Deserialize;

/// The stage's `config` in `pipeline.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// The earliest date of registration, or the beginning of one.
    since: String,
    /// Domains of addresses that are left out.
    block: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { since: "2010-01-01".to_owned(), block: Vec::new() }
    }
}

/// What the plugin needs of a record. The host takes out these fields and no others.
#[derive(Fields)]
struct User<'a> {
    registered_date: &'a str,
    email: Option<&'a str>,
}

/// The plugin.
pub struct Filter {
    config: Config,
    user: Typed<User<'static>>,
}

impl Plugin for Filter {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        Ok(Self { config: setup.config()?, user: setup.fields() })
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        let user = match self.user.read(record) {
            Ok(user) => user,
            Err(fault) => return fault.into(),
        };
        if rules::is_before(user.registered_date, &self.config.since) {
            return Verdict::Drop("too_old".into());
        }
        let domain = user.email.and_then(rules::domain);
        if domain.is_some_and(|domain| self.config.block.iter().any(|blocked| blocked == domain)) {
            return Verdict::Drop("blocked".into());
        }
        Verdict::Keep
    }
}

millstream_sdk::export!(Filter);

#[cfg(test)]
mod tests;
