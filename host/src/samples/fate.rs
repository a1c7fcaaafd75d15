//! What became of each record of a batch, in full: what a chain says of the batch as a whole, taken apart by record.
//!
//! For tests of plugins and pipelines; nothing here is on the way of records.

use std::fmt;

use crate::transform::Processed;

/// A record that left the stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
}

/// What became of one record. Of a record that was split, parts may have gone different ways.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fate {
    /// What is to be written, in order.
    pub written: Vec<Item>,
    /// Reason codes of what was dropped.
    pub dropped: Vec<String>,
    /// Reasons (`code` or `code: detail`) of what was rejected.
    pub rejected: Vec<String>,
}

/// The fate of each record of the batch, in order.
pub fn fates(processed: &Processed) -> Vec<Fate> {
    let write = &processed.write;
    let mut fates = vec![Fate::default(); write.source.len()];
    let mut of = |origin: u32, note: &mut dyn FnMut(&mut Fate)| {
        if let Some(fate) = fates.get_mut(origin as usize) {
            note(fate);
        }
    };
    for (index, row) in (0..).zip(&write.rows) {
        let record = write.record(index);
        let item = Item { value: record.value.map(<[u8]>::to_vec), key: record.key.map(<[u8]>::to_vec) };
        of(row.origin, &mut |fate| fate.written.push(item.clone()));
    }
    for (origin, cause) in &processed.dropped.records {
        let Some(cause) = processed.dropped.causes.get(*cause as usize) else { continue };
        of(*origin, &mut |fate| fate.dropped.push(cause.reason.clone()));
    }
    for rejected in &processed.rejected {
        of(rejected.origin, &mut |fate| fate.rejected.push(rejected.reason.clone()));
    }
    fates
}

impl fmt::Display for Fate {
    /// "written as `…`", "dropped (`duplicate`)", …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.written.iter().map(|item| format!("written as {item}")));
        parts.extend(self.dropped.iter().map(|reason| format!("dropped (`{reason}`)")));
        parts.extend(self.rejected.iter().map(|reason| format!("rejected (`{}`)", reason.escape_debug())));
        f.write_str(&if parts.is_empty() { "gone without a trace".to_owned() } else { parts.join(", ") })
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "`{}`", String::from_utf8_lossy(value))?,
            None => f.write_str("a tombstone")?,
        }
        match &self.key {
            Some(key) => write!(f, " with key `{}`", String::from_utf8_lossy(key)),
            None => Ok(()),
        }
    }
}
