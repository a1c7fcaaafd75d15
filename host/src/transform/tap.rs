//! Taps: records of a running stage, before and after it, for somebody who looks at them.
//!
//! A stage is tapped by its name, while it runs. Nobody taps: a call costs one look at a number. Somebody does: of each call a
//! bounded part is looked at and offered, and what the one who looks does not take in time is left out. No record waits.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use memchr::memmem;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::work::Work;
use crate::plugin::{Code, Outcome, StageName};

/// Records of one call that are looked at.
const OF_A_CALL: usize = 1_024;
/// Records that wait for the one who looks.
const WAITING: usize = 256;
/// Most of a value or key that is shown, in bytes.
const MAX_SHOWN: usize = 16 << 10;
/// A value that is larger is not parsed for a filter.
const MAX_PARSED: usize = 1 << 20;
/// Most of what a split made that is shown.
const MAX_ITEMS: usize = 16;

static OPEN: AtomicUsize = AtomicUsize::new(0);
static TAPS: Mutex<Vec<Weak<Tap>>> = Mutex::new(Vec::new());

/// What a tapped stage made of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tapped {
    /// Of the source.
    pub partition: i32,
    /// In the partition.
    pub offset: i64,
    /// Its key, as far as it is text.
    pub key: Option<String>,
    /// Its value before the stage, as far as it is text.
    pub before: String,
    /// `kept`, `replaced`, `split`, `dropped: …` or `rejected: …`.
    pub fate: String,
    /// What goes on from it.
    pub after: Vec<String>,
    /// Records that were left out before this one, as they came faster than they were taken.
    pub left_out: u64,
}

/// Which records are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Filter {
    /// All.
    #[default]
    All,
    /// Those in which this text occurs, before or after.
    Contains(String),
    /// Those whose field, by its JSON pointer, is that text (or that number, or `true`), before or after.
    Field(String, String),
}

/// A tap; closed when dropped.
pub struct Tap {
    pipeline: String,
    stage: String,
    filter: Filter,
    to: mpsc::Sender<Tapped>,
    left_out: AtomicUsize,
}

impl Filter {
    /// `/pointer=value`, or any other text.
    pub fn parse(text: &str) -> Self {
        match text.split_once('=') {
            Some((pointer, value)) if pointer.starts_with('/') => Self::Field(pointer.to_owned(), value.to_owned()),
            _ if text.is_empty() => Self::All,
            _ => Self::Contains(text.to_owned()),
        }
    }

    fn takes(&self, value: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Contains(text) => memmem::find(value, text.as_bytes()).is_some(),
            Self::Field(..) if value.len() > MAX_PARSED => false,
            Self::Field(pointer, wanted) => {
                let parsed = serde_json::from_slice::<serde_json::Value>(value).ok();
                parsed.as_ref().and_then(|json| json.pointer(pointer)).is_some_and(|found| match found {
                    serde_json::Value::String(text) => text == wanted,
                    other => serde_json::to_string(other).is_ok_and(|text| text == *wanted),
                })
            }
        }
    }
}

impl Tap {
    /// Taps a stage until what it returns first is dropped.
    pub fn open(pipeline: &str, stage: &str, filter: Filter) -> (Arc<Self>, mpsc::Receiver<Tapped>) {
        let (to, from) = mpsc::channel(WAITING);
        let (pipeline, stage, left_out) = (pipeline.to_owned(), stage.to_owned(), AtomicUsize::new(0));
        let tap = Arc::new(Self { pipeline, stage, filter, to, left_out });
        let mut taps = TAPS.lock().unwrap_or_else(PoisonError::into_inner);
        taps.retain(|tap| tap.strong_count() > 0);
        taps.push(Arc::downgrade(&tap));
        OPEN.fetch_add(1, Ordering::Relaxed);
        (tap, from)
    }

    fn offer(&self, work: &Work, range: Range<usize>, outcome: &Outcome) {
        let mut items = 0..;
        let mut splits = outcome.splits.iter();
        for (row, code) in range.zip(&outcome.codes).take(OF_A_CALL) {
            let Some(row) = work.rows.get(row) else { return };
            let before = work.value(row).unwrap_or_default();
            let count = match code {
                Code::Keep => 0,
                Code::Split => splits.next().copied().unwrap_or_default() as usize,
                _ => 1,
            };
            let mine: Vec<usize> = items.by_ref().take(count).collect();
            let item = |index: &usize| outcome.out.get(*index);
            let reason = || String::from_utf8_lossy(mine.first().map(item).unwrap_or_default()).into_owned();
            let (fate, after): (String, Vec<&[u8]>) = match code {
                Code::Keep => ("kept".to_owned(), vec![before]),
                Code::Replace => ("replaced".to_owned(), mine.iter().map(item).collect()),
                Code::Split => ("split".to_owned(), mine.iter().map(item).collect()),
                Code::Drop => (format!("dropped: {}", reason()), Vec::new()),
                Code::Reject => (format!("rejected: {}", reason()), Vec::new()),
            };
            if !self.filter.takes(before) && !after.iter().any(|value| self.filter.takes(value)) {
                continue;
            }
            let Ok(room) = self.to.try_reserve() else {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let record = work.batch.record(row.origin as usize);
            room.send(Tapped {
                partition: record.partition,
                offset: record.offset,
                key: work.key(row).map(shown),
                before: shown(before),
                fate,
                after: after.into_iter().take(MAX_ITEMS).map(shown).collect(),
                left_out: self.left_out.swap(0, Ordering::Relaxed) as u64,
            });
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Offers what a call came to, to those who tap the stage.
pub(super) fn offer(name: &StageName, work: &Work, range: Range<usize>, outcome: &Outcome) {
    if OPEN.load(Ordering::Relaxed) == 0 {
        return;
    }
    let taps: Vec<Arc<Tap>> =
        TAPS.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
    for tap in taps.iter().filter(|tap| *tap.pipeline == *name.pipeline && *tap.stage == *name.stage) {
        tap.offer(work, range.clone(), outcome);
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..MAX_SHOWN).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Slices;

    #[test]
    fn a_filter_is_a_text_or_a_field() {
        let value = br#"{"a": {"b": "x y"}, "n": 7}"#;
        for (filter, takes) in [
            ("", true),
            ("x y", true),
            ("z", false),
            ("/a/b=x y", true),
            ("/a/b=x", false),
            ("/n=7", true),
            ("/m=7", false),
        ] {
            assert_eq!(Filter::parse(filter).takes(value), takes, "{filter}");
        }
        assert!(!Filter::parse("/n=7").takes(b"not JSON"));
    }

    #[test]
    fn who_does_not_take_them_holds_nothing_up_and_hears_how_many_were_left_out() {
        let (tap, mut taken) = Tap::open("p", "s", Filter::All);
        let mut batch = crate::record::Batch::new("t".into());
        for offset in 0..1_000 {
            batch.push(crate::record::Record {
                key: None,
                value: Some(b"v"),
                headers: crate::record::Headers::default(),
                timestamp_ms: 0,
                partition: 0,
                offset,
            });
        }
        let Ok(mut projector) = super::super::project::Projector::new(&[]) else { return };
        let work = Work::new(Arc::new(batch), 0, &mut projector);
        let keep =
            Outcome { codes: vec![Code::Keep; 1_000], out: Slices::default(), splits: Vec::new(), out_keys: None };
        let name = |stage: &str| StageName { pipeline: "p".into(), stage: stage.into() };
        offer(&name("another"), &work, 0..1_000, &keep);
        assert!(taken.try_recv().is_err());
        offer(&name("s"), &work, 0..1_000, &keep);
        let first: Vec<Tapped> = std::iter::from_fn(|| taken.try_recv().ok()).collect();
        assert_eq!((first.len(), first.first().map(|tapped| tapped.fate.as_str())), (WAITING, Some("kept")));
        offer(&name("s"), &work, 0..1, &keep);
        assert_eq!(taken.try_recv().map(|tapped| tapped.left_out), Ok((1_000 - WAITING) as u64));
        drop(tap);
        offer(&name("s"), &work, 0..1, &keep);
        assert!(taken.try_recv().is_err());
    }
}
