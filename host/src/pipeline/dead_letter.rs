//! Dead letters: the original record, untouched, with headers that say what happened to it.

use std::{sync::Arc, time::SystemTime};

use crate::{
    record::{Batch, HeaderWriter},
    sink::WriteBatch,
    state::reason_code,
    transform::Author,
};

/// A record that goes to the dead letters.
pub(super) struct Letter<'a> {
    /// Its index in the source batch.
    pub origin: u32,
    pub author: &'a Author,
    /// `code` or `code: detail`.
    pub reason: &'a str,
    /// How often the sink was asked to take it; 0 where it never came so far. Replays before come on top.
    pub attempt: u64,
}

/// Makes the batch for the dead-letter sink, of records of one topic, each with the batch that it was read in. Headers that
/// the record had come first, ours last.
pub(super) fn letters<'a>(
    pipeline: &str,
    topic: Arc<str>,
    letters: impl Iterator<Item = (&'a Batch, Letter<'a>)>,
) -> WriteBatch {
    let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let mut batch = Batch::new(topic);
    for (source, letter) in letters {
        let record = source.record(letter.origin as usize);
        batch.values.push_opt(record.value);
        batch.keys.push_opt(record.key);
        batch.timestamps.push(record.timestamp_ms);
        batch.partitions.push(record.partition);
        batch.offsets.push(record.offset);
        let code = reason_code(letter.reason);
        let detail = letter.reason.split_once(':').map_or("", |(_, detail)| detail.trim());
        let mut headers = HeaderWriter::new(&mut batch.headers);
        headers.extend(record.headers);
        let mut header = |name: &str, value: &str| headers.push(name, Some(value.as_bytes()));
        header("millstream.pipeline", pipeline);
        header("millstream.stage", &letter.author.stage);
        header("millstream.plugin", &letter.author.plugin);
        header("millstream.plugin.version", &letter.author.version);
        header("millstream.plugin.sha256", &letter.author.sha256);
        header("millstream.reason", code);
        header("millstream.detail", detail);
        header("millstream.source.topic", &source.topic);
        header("millstream.source.partition", &record.partition.to_string());
        header("millstream.source.offset", &record.offset.to_string());
        header("millstream.time", &now);
        header("millstream.attempt", &(letter.attempt + replayed(source, letter.origin)).to_string());
        headers.finish();
    }
    WriteBatch::whole(batch)
}

/// How often a record was taken out of the dead letters and tried again, this time included.
fn replayed(source: &Batch, origin: u32) -> u64 {
    let letters = source.letters.as_ref();
    letters.map_or(0, |letters| letters.attempts.get(origin as usize).copied().unwrap_or_default() + 1)
}

/// The sink as the author of a refusal.
pub(super) fn sink_author(sink: &str) -> Author {
    Author { stage: "sink".to_owned(), plugin: sink.to_owned(), ..Author::default() }
}
