//! Lets through the first record of each key and drops the later ones as `duplicate`.
//!
//! What comes in is the text of one field; what has been seen is kept in the host's store. A record without a usable
//! key is rejected (`bad_key: <field>`, or `not_json` as in `validate`), never let through and never dropped.
//! See [`config`] for the settings and [`rules`] for when two keys are one.

pub mod config;
pub mod rules;

use millstream_sdk::{Batch, Column, Kind, Outcome, Plugin, Setup, Slices, Store, TextField, to_pointer};

use config::{Config, Format};

/// The plugin.
pub struct Dedup {
    key: TextField,
    format: Format,
    seen: Store,
    bad_key: String,
}

impl Plugin for Dedup {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        let config: Config = setup.config()?;
        Ok(Self {
            key: setup.text(&to_pointer(config.key())?),
            format: config.format()?,
            seen: setup.store("seen", config.ttl()?),
            bad_key: format!("bad_key: {}", config.key()),
        })
    }

    fn batch(&mut self, batch: &Batch<'_>) -> Result<Outcome, String> {
        let column = batch.column(self.key);
        let keys = match self.format {
            Format::Uuid => Keys::collect(column, batch.rows(), rules::uuid_key),
            Format::Text => Keys::collect(column, batch.rows(), rules::text_key),
        };
        let mut first = self.seen.put_if_absent(keys.rows(), &keys.keys).into_iter();
        let mut outcome = Outcome::with_capacity(batch.rows());
        for (has_key, kind) in keys.has_key.iter().zip(batch.kinds(self.key)) {
            match has_key.then(|| first.next()) {
                Some(Some(true)) => outcome.keep(),
                Some(Some(false)) => outcome.drop("duplicate"),
                Some(None) => return Err("the host's store gave fewer answers than it was asked".to_owned()),
                None if *kind == Kind::NotJson as u8 => outcome.reject("not_json"),
                None if *kind == Kind::NotObject as u8 => outcome.reject("not_json: root is not an object"),
                None => outcome.reject(&self.bad_key),
            }
        }
        Ok(outcome)
    }
}

/// The keys of a batch.
struct Keys {
    keys: Slices,
    /// The record that each key belongs to.
    rows: Vec<u32>,
    /// One per record.
    has_key: Vec<bool>,
}

impl Keys {
    #[inline]
    fn collect<'a, K: AsRef<[u8]>>(column: Column<'a>, rows: usize, key: impl Fn(&'a [u8]) -> Option<K>) -> Self {
        const USUAL_KEY_BYTES: usize = 16;
        let mut all = Self {
            keys: Slices::with_capacity(rows, rows * USUAL_KEY_BYTES),
            rows: Vec::with_capacity(rows),
            has_key: Vec::with_capacity(rows),
        };
        for (cell, row) in column.cells().zip(0..) {
            let key = cell.text().and_then(&key);
            all.has_key.push(key.is_some());
            if let Some(key) = key {
                all.keys.push(key.as_ref());
                all.rows.push(row);
            }
        }
        all
    }

    /// As the store wants them: nothing to say where every record has a key.
    fn rows(&self) -> &[u32] {
        if self.rows.len() == self.has_key.len() { &[] } else { &self.rows }
    }
}

millstream_sdk::export!(Dedup);

#[cfg(test)]
mod tests;
