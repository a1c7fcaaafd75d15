//! Lets through so many records of each user within a time, and drops the later ones as `over_limit`.
//!
//! What comes in is the id of each record; how many of it there were is kept in the host's store, which is durable together with the
//! records, so a restart counts on. The stage needs `grant = ["state"]`. How counts are kept is in [`rules`].

pub mod rules;

use std::time::Duration;

use millstream_sdk::{Fields, Plugin, Record, Setup, Store, Typed, Verdict};
use serde::Deserialize;

/// The stage's `config` in `pipeline.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Most records of a user.
    limit: u64,
    /// How long a user who sends nothing is remembered.
    ttl_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { limit: 100, ttl_seconds: 3600 }
    }
}

/// What the plugin needs of a record. The host takes out this field and no others.
#[derive(Fields)]
struct User<'a> {
    id: &'a str,
}

/// The plugin.
pub struct Limit {
    config: Config,
    user: Typed<User<'static>>,
    counts: Store,
}

impl Plugin for Limit {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        let config: Config = setup.config()?;
        // Raise it when what is kept changes its meaning, and take over in `migrate` what is there.
        setup.state_version(1);
        let counts = setup.store("counts", Some(Duration::from_secs(config.ttl_seconds)));
        Ok(Self { user: setup.fields(), config, counts })
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        let user = match self.user.read(record) {
            Ok(user) => user,
            Err(fault) => return fault.into(),
        };
        let count = rules::count(&self.counts.get_one(user.id.as_bytes()));
        if count >= self.config.limit {
            return Verdict::Drop("over_limit".into());
        }
        // Written on behalf of the record: if that is not made durable, neither is this.
        self.counts.put_one(record, user.id.as_bytes(), &rules::kept(count + 1));
        Verdict::Keep
    }
}

millstream_sdk::export!(Limit);

#[cfg(test)]
mod tests;
