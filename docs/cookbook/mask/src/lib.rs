//! Masks fields: of a text, all but the last characters become `*`; of any other value nothing is left.

use std::collections::BTreeMap;

use millstream_sdk::{Plugin, Record, Setup, Verdict};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Names of fields of the record.
    fields: Vec<String>,
    /// How many characters at the end stay.
    #[serde(default)]
    keep: usize,
}

struct Mask(Config);

impl Plugin for Mask {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        setup.want_values();
        Ok(Self(setup.config()?))
    }

    fn record(&mut self, record: &Record) -> Verdict {
        match self.masked(record.value()) {
            Ok(value) => Verdict::Replace(value),
            Err(error) => Verdict::Reject(format!("not_json: {error}").into()),
        }
    }
}

impl Mask {
    fn masked(&self, value: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
        // Raw values: what is not masked stays as it was written, such as the 12.50 that would become 12.5.
        let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(value)?;
        for name in &self.0.fields {
            if let Some(field) = fields.get_mut(name).filter(|field| field.get() != "null") {
                let text: String = serde_json::from_str(field.get()).unwrap_or_default();
                *field = to_raw_value(&stars(&text, self.0.keep))?;
            }
        }
        serde_json::to_vec(&fields)
    }
}

fn stars(text: &str, keep: usize) -> String {
    let hidden = text.chars().count().saturating_sub(keep);
    // A short text must not be shown because it is short.
    if hidden < keep {
        return "***".to_owned();
    }
    "*".repeat(hidden) + &text.chars().skip(hidden).collect::<String>()
}

millstream_sdk::export!(Mask);
