//! Makes a short contact of a user, with the user's id as the record's key.
//!
//! What comes in are four fields of each record; what goes out is a new value and key. A record without one of them is rejected
//! as `missing_field: …`, and one whose address has no domain as `bad_email: email`. What a contact is made of is in [`rules`].

pub mod rules;

use millstream_sdk::{Fields, Plugin, Record, Setup, Typed, Verdict};
use serde::{Deserialize, Serialize};

/// The stage's `config` in `pipeline.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Where the contacts come from, as each of them says.
    source: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { source: "users".to_owned() }
    }
}

/// What the plugin needs of a record. The host takes out these fields and no others.
#[derive(Fields)]
struct User<'a> {
    id: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    email: &'a str,
}

/// What it makes of it.
#[derive(Serialize)]
struct Contact<'a> {
    id: &'a str,
    name: String,
    domain: &'a str,
    source: &'a str,
}

/// The plugin.
pub struct Map {
    config: Config,
    user: Typed<User<'static>>,
}

impl Plugin for Map {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        Ok(Self { config: setup.config()?, user: setup.fields() })
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        let user = match self.user.read(record) {
            Ok(user) => user,
            Err(fault) => return fault.into(),
        };
        let Some(domain) = rules::domain(user.email) else {
            return Verdict::Reject("bad_email: email".into());
        };
        let name = rules::full_name(user.first_name, user.last_name);
        let contact = Contact { id: user.id, name, domain, source: &self.config.source };
        match serde_json::to_vec(&contact) {
            Ok(value) => Verdict::ReplaceKeyed { key: user.id.into(), value },
            Err(error) => Verdict::Reject(format!("not_writable: {error}").into()),
        }
    }
}

millstream_sdk::export!(Map);

#[cfg(test)]
mod tests;
