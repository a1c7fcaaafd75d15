//! The last few dead letters, for people to look at. Taken only while somebody looks, bounded in number and in bytes; all of
//! them are in the dead-letter sink.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{dead_letter::Letter, now_ms};
use crate::{record::Batch, state::reason_code};

/// Letters that are kept.
const KEPT: usize = 24;
/// Letters that are taken of one batch, each with another reason.
const OF_A_BATCH: usize = 4;
/// Most of a key, a reason or a value that is kept.
const MAX_KEY_CHARS: usize = 120;
const MAX_REASON_CHARS: usize = 300;
const MAX_VALUE_CHARS: usize = 1_000;
/// Who looks says so once a second.
const LOOKS_FOR: Duration = Duration::from_secs(4);

/// A dead letter, or the beginning of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sample {
    /// Counts up within a pipeline.
    pub number: u64,
    /// Unix milliseconds.
    pub time_ms: i64,
    /// The stage, or `sink`.
    pub stage: String,
    /// `code` or `code: detail`.
    pub reason: String,
    /// Of the source.
    pub partition: i32,
    /// In the partition.
    pub offset: i64,
    /// Its key, as far as it is text.
    pub key: String,
    /// Its value, as far as it is text.
    pub value: String,
    /// Bytes of the whole value.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Samples {
    looked_at_ms: AtomicI64,
    kept: Mutex<(u64, VecDeque<Sample>)>,
}

impl Samples {
    /// Somebody looks; gives what came after a number.
    pub fn after(&self, number: u64) -> Vec<Sample> {
        self.looked_at_ms.store(now_ms(), Ordering::Relaxed);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().filter(|sample| sample.number > number).cloned().collect()
    }

    /// Keeps a few letters of a batch, if somebody looks.
    pub fn take<'a>(&self, source: &Batch, letters: impl Iterator<Item = Letter<'a>>) {
        let now_ms = now_ms();
        let looked_at_ms = self.looked_at_ms.load(Ordering::Relaxed);
        if now_ms.saturating_sub(looked_at_ms) > LOOKS_FOR.as_millis() as i64 {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, kept) = &mut *kept;
        let mut codes: Vec<&str> = Vec::new();
        for letter in letters {
            let code = reason_code(letter.reason);
            if codes.contains(&code) {
                continue;
            }
            codes.push(code);
            *last += 1;
            let record = source.record(letter.origin as usize);
            let value = record.value.unwrap_or_default();
            kept.push_back(Sample {
                number: *last,
                time_ms: now_ms,
                stage: letter.author.stage.clone(),
                reason: beginning(letter.reason.as_bytes(), MAX_REASON_CHARS),
                partition: record.partition,
                offset: record.offset,
                key: beginning(record.key.unwrap_or_default(), MAX_KEY_CHARS),
                value: beginning(value, MAX_VALUE_CHARS),
                bytes: value.len() as u64,
            });
            if kept.len() > KEPT {
                kept.pop_front();
            }
            if codes.len() == OF_A_BATCH {
                return;
            }
        }
    }
}

/// So many characters, of a text of any size.
fn beginning(bytes: &[u8], chars: usize) -> String {
    // A character has four bytes at most.
    let text = String::from_utf8_lossy(bytes.get(..chars * 4).unwrap_or(bytes));
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{record::Slices, transform::Author};

    fn batch(value: &[u8]) -> Batch {
        let mut batch = Batch::new("t".into());
        batch.values = Slices::default();
        batch.values.push_opt(Some(value));
        batch.keys.push_opt(None);
        batch.headers.push(b"");
        batch.timestamps.push(0);
        batch.partitions.push(0);
        batch.offsets.push(7);
        batch
    }

    fn letters<'a>(author: &'a Author, reasons: &'a [String]) -> impl Iterator<Item = Letter<'a>> {
        reasons.iter().map(move |reason| Letter { origin: 0, author, reason, attempt: 0 })
    }

    #[test]
    fn nothing_is_kept_while_nobody_looks() {
        let (samples, author) = (Samples::default(), Author::default());
        samples.take(&batch(b"x"), letters(&author, &["a".to_owned()]));
        assert!(samples.after(0).is_empty());
        samples.take(&batch(b"x"), letters(&author, &["a".to_owned()]));
        assert_eq!(samples.after(0).len(), 1);
        assert!(samples.after(1).is_empty(), "each is told once");
    }

    #[test]
    fn they_are_bounded_in_number_and_in_bytes_whatever_comes() {
        let (samples, author) = (Samples::default(), Author::default());
        samples.after(0);
        let large = "ü<b>".repeat(3 << 20);
        for n in 0..1_000 {
            let reasons: Vec<String> = (0..10).map(|m| format!("reason{n}-{m}: {}", "x".repeat(1 << 12))).collect();
            samples.take(&batch(large.as_bytes()), letters(&author, &reasons));
        }
        let kept = samples.after(0);
        assert_eq!(kept.len(), KEPT);
        assert!(kept.iter().all(|sample| sample.value.chars().count() <= MAX_VALUE_CHARS + 1));
        assert!(kept.iter().all(|sample| sample.reason.chars().count() <= MAX_REASON_CHARS + 1));
        assert_eq!(kept.last().unwrap().bytes, large.len() as u64);
    }
}
