//! Adds the region of a record's country, by a table that is part of the plugin.

use std::collections::BTreeMap;

use millstream_sdk::{Kind, Plugin, Record, Setup, TextField, Verdict};

/// Saved anew while the pipeline runs, the plugin is built and swapped like after any change of its sources.
const COUNTRIES: &str = include_str!("countries.csv");

struct Enrich {
    country: TextField,
    /// By country: what is added, as JSON.
    regions: BTreeMap<&'static str, String>,
}

impl Plugin for Enrich {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        setup.want_values();
        let rows = COUNTRIES.lines().map(|line| {
            let (country, region) = line.split_once(',').ok_or(format!("countries.csv: no comma in `{line}`"))?;
            let region = serde_json::to_string(region).map_err(|error| error.to_string())?;
            Ok((country, format!(",\"region\":{region}}}")))
        });
        Ok(Self { country: setup.text("/country"), regions: rows.collect::<Result<_, String>>()? })
    }

    fn record(&mut self, record: &Record) -> Verdict {
        let Some(country) = record.text(self.country) else {
            let is_json = record.kind(self.country) != Kind::NotJson;
            return Verdict::Reject(if is_json { "no_country" } else { "not_json" }.into());
        };
        let Some(region) = self.regions.get(country) else {
            return Verdict::Reject(format!("unknown_country: {country}").into());
        };
        // The host has parsed the record, and found an object with a country: it ends with a brace, and all before stays.
        let mut value = record.value().trim_ascii_end().to_vec();
        value.pop();
        value.extend_from_slice(region.as_bytes());
        Verdict::Replace(value)
    }
}

millstream_sdk::export!(Enrich);
