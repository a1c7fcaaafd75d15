//! Keeps the records of some types, or those of all but some, and drops the others.

use millstream_sdk::{Plugin, Record, Setup, TextField, Verdict};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    only: Option<Vec<String>>,
    except: Option<Vec<String>>,
}

struct Route {
    field: TextField,
    types: Vec<String>,
    /// Whether the types are those that are kept.
    kept: bool,
}

impl Plugin for Route {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        let (types, kept) = match setup.config()? {
            Config { only: Some(types), except: None } => (types, true),
            Config { only: None, except: Some(types) } => (types, false),
            _ => return Err("say either `only` or `except`".to_owned()),
        };
        Ok(Self { field: setup.text("/type"), types, kept })
    }

    fn record(&mut self, record: &Record) -> Verdict {
        // A record without a type is none of any list, so it goes where `except` is.
        let listed = record.text(self.field).is_some_and(|of| self.types.iter().any(|known| known == of));
        if listed == self.kept { Verdict::Keep } else { Verdict::Drop("other_type".into()) }
    }
}

millstream_sdk::export!(Route);
