//! What an author writes: the trait, and what it may answer for a record.

use std::borrow::Cow;

use crate::{Batch, Outcome, Record, Setup, Slices};

/// One stage of a pipeline. The host makes one value per worker and calls it from one thread.
///
/// Implement [`record`](Plugin::record), or, to work column by column, [`batch`](Plugin::batch).
pub trait Plugin: Sized + 'static {
    /// Reads the settings, declares what the plugin needs and keeps the handles it gets for that.
    /// An error says what is wrong with the settings.
    fn new(setup: &mut Setup) -> Result<Self, String>;

    /// Decides about one record.
    fn record(&mut self, _record: &Record<'_>) -> Verdict {
        Verdict::Keep
    }

    /// Decides about a whole batch. An error means that the whole batch failed: the host then tries its records one by
    /// one, and those that fail alone become dead letters.
    fn batch(&mut self, batch: &Batch<'_>) -> Result<Outcome, String> {
        let mut outcome = Outcome::with_capacity(batch.rows());
        for record in batch.records() {
            outcome.push(self.record(&record));
        }
        Ok(outcome)
    }

    /// Takes over entries that a version with a lower [`state_version`](Setup::state_version) has left in a store: a new
    /// value for each, in order; empty means none. Keys and ages stay. It is also asked without entries, to learn whether
    /// it takes over that version at all. An entry may come several times: make the answer depend on the entry alone.
    ///
    /// A state that an error is the answer to is left as it is, and this version is not run on it.
    fn migrate(&mut self, from: u32, _store: &str, _keys: &Slices, _values: &Slices) -> Result<Slices, String> {
        Err(format!("the plugin takes over no state of version {from}"))
    }
}

/// What becomes of a record. A reason is `code` or `code: detail`; codes are counted, so keep them few and stable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as it is.
    Keep,
    /// It goes on with this value and its own key.
    ///
    /// A plugin that gives keys to some records of a batch and not to others should call [`Setup::want_keys`];
    /// otherwise such a batch has to be tried record by record.
    Replace(Vec<u8>),
    /// It goes on with another value and key; an empty key is none.
    ReplaceKeyed {
        /// The new key.
        key: Vec<u8>,
        /// The new value.
        value: Vec<u8>,
    },
    /// It is left out on purpose, counted by the reason.
    Drop(Cow<'static, str>),
    /// It is wrong: it goes to the dead letters with the reason.
    Reject(Cow<'static, str>),
    /// These go on in its place.
    Split(Vec<Item>),
}

/// One of the records that take the place of a split one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its key; `None` keeps the key of the record it comes from.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Vec<u8>,
}
