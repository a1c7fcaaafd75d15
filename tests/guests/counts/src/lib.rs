//! Replaces each record by its value and how often that came: "a 3". Version 1 of its state keeps "3", version 2 keeps "n=3".

use millstream_sdk::{Plugin, Record, Setup, Slices, Store, Verdict, serde::Deserialize};

/// The settings.
#[derive(Deserialize)]
#[serde(crate = "millstream_sdk::serde", deny_unknown_fields)]
pub struct Config {
    /// Version of the state, 1 or 2.
    state: u32,
    /// Rejects everything.
    #[serde(default)]
    rejects: bool,
    /// Takes over nothing.
    #[serde(default)]
    stubborn: bool,
}

/// See the module.
pub struct Counts {
    config: Config,
    seen: Store,
}

impl Plugin for Counts {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        let config: Config = setup.config()?;
        setup.want_values();
        setup.state_version(config.state);
        Ok(Self { seen: setup.store("seen", None), config })
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        if self.config.rejects {
            return Verdict::Reject("as_told".into());
        }
        let prefix = if self.config.state == 2 { "n=" } else { "" };
        let before = self.seen.get_one(record.value());
        let text = String::from_utf8_lossy(&before).into_owned();
        let Some(count) = (if text.is_empty() { Some("0") } else { text.strip_prefix(prefix) }) else {
            return Verdict::Reject(format!("state: it has {text}").into());
        };
        let Ok(count) = count.parse::<u64>() else { return Verdict::Reject(format!("state: it has {text}").into()) };
        let count = count + 1;
        self.seen.put_one(record, record.value(), format!("{prefix}{count}").as_bytes());
        let value = String::from_utf8_lossy(record.value());
        Verdict::Replace(format!("{value} {count}").into_bytes())
    }

    fn migrate(&mut self, from: u32, store: &str, _keys: &Slices, values: &Slices) -> Result<Slices, String> {
        if self.config.stubborn || from != 1 || store != "seen" {
            return Err(format!("`{store}` of version {from} is not for me"));
        }
        let mut migrated = Slices::default();
        for i in 0..values.len() {
            migrated.push(&[b"n=", values.get(i)].concat());
        }
        Ok(migrated)
    }
}

millstream_sdk::export!(Counts);
