//! The verdicts about a batch, packed as they cross the border. Records are decided in order, each exactly once.

use crate::{Batch, Item, Slices, Verdict, bindings};

/// Verdicts for the records of one batch, in order.
#[derive(Debug, Default)]
pub struct Outcome {
    codes: Vec<u8>,
    out: Slices,
    splits: Vec<u32>,
    /// One item for each item that replace and split put into `out`; empty while no key was given at all.
    keys: Slices,
    /// Items of `out` that keep the key of their record.
    inheriting: Vec<Inheriting>,
}

#[derive(Debug)]
struct Inheriting {
    /// Counted among the items that replace and split put into `out`.
    item: usize,
    row: usize,
}

impl Outcome {
    /// An outcome without verdicts, with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self { codes: Vec::with_capacity(rows), ..Self::default() }
    }

    /// An outcome without verdicts, with room for `rows`, each with a value and a key of so many bytes together.
    pub fn with_room(rows: usize, values: usize, keys: usize) -> Self {
        let (out, keys) = (Slices::with_capacity(rows, values), Slices::with_capacity(rows, keys));
        Self { codes: Vec::with_capacity(rows), out, keys, ..Self::default() }
    }

    /// Keeps the next record.
    #[inline]
    pub fn keep(&mut self) {
        self.codes.push(0);
    }

    /// Gives the next record another value.
    pub fn replace(&mut self, value: &[u8]) {
        self.item(None, value);
        self.codes.push(1);
    }

    /// Gives the next record another value and key.
    pub fn replace_keyed(&mut self, key: &[u8], value: &[u8]) {
        self.item(Some(key), value);
        self.codes.push(1);
    }

    /// Gives the next record a key and the value that `write` appends to what it is handed. Where `write` fails, the record
    /// is still to be decided about.
    #[inline]
    pub fn try_replace_keyed<E>(
        &mut self,
        key: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.out.data.len();
        if let Err(error) = write(&mut self.out.data) {
            self.out.data.truncate(before);
            return Err(error);
        }
        self.out.ends.push(self.out.data.len() as u32);
        self.keys.push(key);
        self.codes.push(1);
        Ok(())
    }

    /// Leaves out the next record.
    pub fn drop(&mut self, reason: &str) {
        self.out.push(reason.as_bytes());
        self.codes.push(2);
    }

    /// Sends the next record to the dead letters.
    pub fn reject(&mut self, reason: &str) {
        self.out.push(reason.as_bytes());
        self.codes.push(3);
    }

    /// Puts `items` in place of the next record.
    pub fn split(&mut self, items: &[Item]) {
        for item in items {
            self.item(item.key.as_deref(), &item.value);
        }
        self.splits.push(items.len() as u32);
        self.codes.push(4);
    }

    /// Decides about the next record.
    pub fn push(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Keep => self.keep(),
            Verdict::Replace(value) => self.replace(&value),
            Verdict::ReplaceKeyed { key, value } => self.replace_keyed(&key, &value),
            Verdict::Drop(reason) => self.drop(&reason),
            Verdict::Reject(reason) => self.reject(&reason),
            Verdict::Split(items) => self.split(&items),
        }
    }

    fn item(&mut self, key: Option<&[u8]>, value: &[u8]) {
        self.out.push(value);
        if key.is_none() {
            self.inheriting.push(Inheriting { item: self.keys.len(), row: self.codes.len() });
        }
        self.keys.push(key.unwrap_or_default());
    }

    pub(crate) fn finish(self, batch: &Batch<'_>) -> Result<bindings::Outcome, String> {
        if self.codes.len() != batch.rows() {
            return Err(format!("the plugin decided about {} of {} records", self.codes.len(), batch.rows()));
        }
        let out_keys = if self.inheriting.len() == self.keys.len() {
            None
        } else if self.inheriting.is_empty() {
            Some(self.keys)
        } else {
            Some(inherit(&self.keys, &self.inheriting, batch)?)
        };
        Ok(bindings::Outcome { codes: self.codes, out: self.out, splits: self.splits, out_keys })
    }
}

/// Fills in the records' own keys, for a batch where some items were given one and some were not.
fn inherit(keys: &Slices, inheriting: &[Inheriting], batch: &Batch<'_>) -> Result<Slices, String> {
    let mut all = Slices::with_capacity(keys.len(), keys.data.len());
    let mut inheriting = inheriting.iter().peekable();
    for item in 0..keys.len() {
        match inheriting.next_if(|next| next.item == item) {
            Some(next) => all.push(batch.key(next.row).ok_or(
                "some records of the batch get a key and others keep theirs: the plugin has to ask for keys in `new`",
            )?),
            None => all.push(keys.get(item)),
        }
    }
    Ok(all)
}
