//! One dead letter: the record that was rejected, untouched, and what its `millstream.*` headers say of it.

use std::{borrow::Cow, time::UNIX_EPOCH};

use crate::record::{Headers, Record};

/// The header that begins what the host has added to a record's own ones.
const FIRST: &str = "millstream.pipeline";

/// A dead letter, borrowed from its batch.
#[derive(Debug, Clone)]
pub struct Letter<'a> {
    /// The letter's own place, key and value; its headers are those that the record had before it was rejected.
    pub record: Record<'a>,
    /// The pipeline.
    pub pipeline: Cow<'a, str>,
    /// The stage that rejected it, or `sink`.
    pub stage: Cow<'a, str>,
    /// That stage's plugin, or the sink's address.
    pub plugin: Cow<'a, str>,
    /// The plugin's version.
    pub version: Cow<'a, str>,
    /// SHA-256 of the plugin's component.
    pub sha256: Cow<'a, str>,
    /// The code.
    pub reason: Cow<'a, str>,
    /// What follows the code.
    pub detail: Cow<'a, str>,
    /// Where the record came from.
    pub topic: Cow<'a, str>,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When it was rejected; Unix milliseconds.
    pub time_ms: Option<i64>,
    /// How often it was tried before.
    pub attempt: u64,
}

impl<'a> Letter<'a> {
    /// Reads a record of a topic of dead letters; `None` where it is none of ours.
    pub fn read(record: Record<'a>) -> Option<Self> {
        let headers = record.headers;
        let text = |name: &str| headers.get(name).map(String::from_utf8_lossy);
        let number = |name: &str| std::str::from_utf8(headers.get(name)?).ok()?.parse::<i64>().ok();
        let some = |name: &str| text(name).unwrap_or_default();
        Some(Self {
            pipeline: text(FIRST)?,
            stage: text("millstream.stage")?,
            reason: text("millstream.reason")?,
            topic: text("millstream.source.topic")?,
            partition: i32::try_from(number("millstream.source.partition")?).ok()?,
            offset: number("millstream.source.offset")?,
            plugin: some("millstream.plugin"),
            version: some("millstream.plugin.version"),
            sha256: some("millstream.plugin.sha256"),
            detail: some("millstream.detail"),
            time_ms: headers.get("millstream.time").and_then(unix_ms),
            attempt: number("millstream.attempt").and_then(|attempt| attempt.try_into().ok()).unwrap_or_default(),
            record: Record { headers: own(headers), ..record },
        })
    }
}

fn unix_ms(time: &[u8]) -> Option<i64> {
    let time = humantime::parse_rfc3339(std::str::from_utf8(time).ok()?).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The headers before the last ones that the host added: a record may have been a dead letter of another pipeline before.
fn own(headers: Headers<'_>) -> Headers<'_> {
    let whole = headers.block();
    let (mut rest, mut end) = (headers, whole.len());
    loop {
        let at = whole.len() - rest.block().len();
        match rest.next() {
            Some((name, _)) if name == FIRST.as_bytes() => end = at,
            Some(_) => {}
            None => return Headers::new(whole.get(..end).unwrap_or_default()),
        }
    }
}

/// Which letters of a pipeline are meant; what is left out means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Which {
    /// Those with this reason code.
    pub reason: Option<String>,
    /// Those that this stage rejected; `sink` for what the sink refused.
    pub stage: Option<String>,
    /// Those that this version of the plugin rejected.
    pub version: Option<String>,
}

impl Which {
    /// Whether a letter is meant.
    pub fn takes(&self, letter: &Letter<'_>) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.reason, &letter.reason) && is(&self.stage, &letter.stage) && is(&self.version, &letter.version)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::{HeaderWriter, Slices};

    fn record(headers: &Slices) -> Record<'_> {
        let headers = Headers::new(headers.get(0));
        Record { key: None, value: Some(b"{}"), headers, timestamp_ms: 5, partition: 3, offset: 9 }
    }

    fn headers(pairs: &[(&str, &str)]) -> Slices {
        let mut blocks = Slices::default();
        let mut writer = HeaderWriter::new(&mut blocks);
        pairs.iter().for_each(|(name, value)| writer.push(name, Some(value.as_bytes())));
        writer.finish();
        blocks
    }

    const LETTER: [(&str, &str); 7] = [
        ("millstream.pipeline", "store"),
        ("millstream.stage", "validate"),
        ("millstream.reason", "bad_email"),
        ("millstream.source.topic", "users"),
        ("millstream.source.partition", "2"),
        ("millstream.source.offset", "41"),
        ("millstream.attempt", "1"),
    ];

    #[test]
    fn a_letter_gives_back_the_record_as_it_was() {
        // The record was a dead letter of another pipeline when it was rejected here.
        let before = [("trace", "1"), ("millstream.pipeline", "ingest"), ("millstream.reason", "x")];
        let blocks = headers(&[&before[..], &LETTER].concat());
        let letter = Letter::read(record(&blocks)).unwrap();
        assert_eq!((&*letter.pipeline, &*letter.stage, &*letter.reason), ("store", "validate", "bad_email"));
        assert_eq!((&*letter.topic, letter.partition, letter.offset, letter.attempt), ("users", 2, 41, 1));
        assert_eq!(letter.record.headers.block(), headers(&before).get(0));
        assert_eq!(letter.record.offset, 9);
    }

    #[test]
    fn only_what_is_asked_for_is_meant() {
        let blocks = headers(&LETTER);
        let letter = Letter::read(record(&blocks)).unwrap();
        let which = |reason: &str, stage: &str| Which {
            reason: Some(reason.to_owned()),
            stage: Some(stage.to_owned()),
            version: None,
        };
        assert!(Which::default().takes(&letter) && which("bad_email", "validate").takes(&letter));
        assert!(!which("bad_id", "validate").takes(&letter) && !which("bad_email", "dedup").takes(&letter));
    }

    #[test]
    fn what_is_no_letter_is_passed_over() {
        let blocks = headers(LETTER.get(1..).unwrap());
        assert!(Letter::read(record(&blocks)).is_none());
    }
}
