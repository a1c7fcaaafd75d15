//! Records as lines of JSON, for files and the terminal.
//!
//! In come rows, out come lines that each end in a line feed and hold no other, so that a reader may cut there.
//! What cannot be framed is reported, never bent into shape.
//!
//! `value`: the value as it is; a value that holds line feeds is compacted if it is JSON; a record without a value is
//! `null`. `envelope`: an object with `key`, `headers`, `timestamp`, `partition`, `offset` and `value`; bytes that are
//! not UTF-8 are given in base64, as `key_base64`, `value_base64` and `{"base64": …}` in the headers.

use serde::{Serialize, Serializer, de::IgnoredAny, ser::SerializeMap};

use super::{Failure, WriteBatch, table::compact};
use crate::{
    config::Format,
    record::{Headers, Record},
};

/// Appends the lines of `rows` to `out`, and reports those that have none.
pub fn append_lines(batch: &WriteBatch, rows: &[u32], format: Format, out: &mut Vec<u8>) -> Vec<Failure> {
    let mut failures = Vec::new();
    for &row in rows {
        let before = out.len();
        let record = batch.record(row);
        let result = match format {
            Format::Value => append_value(record.value, out),
            Format::Envelope => serde_json::to_writer(&mut *out, &Envelope(record)).map_err(|error| error.to_string()),
        };
        match result {
            Ok(()) => out.push(b'\n'),
            Err(detail) => {
                out.truncate(before);
                failures.push(Failure { row, retryable: false, code: "line_feed", detail });
            }
        }
    }
    failures
}

fn append_value(value: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), String> {
    let value = value.unwrap_or(b"null");
    if memchr::memchr(b'\n', value).is_none() {
        out.extend_from_slice(value);
        return Ok(());
    }
    serde_json::from_slice::<IgnoredAny>(value).map_err(|_| {
        "the value holds a line feed and is not JSON, so it cannot be one line; use format = \"envelope\"".to_owned()
    })?;
    compact(value, out);
    Ok(())
}

struct Envelope<'a>(Record<'a>);

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = &self.0;
        let mut map = serializer.serialize_map(None)?;
        entry(&mut map, "key", "key_base64", record.key)?;
        map.serialize_entry("headers", &HeaderMap(record.headers))?;
        map.serialize_entry("timestamp", &(record.timestamp_ms >= 0).then_some(record.timestamp_ms))?;
        map.serialize_entry("partition", &record.partition)?;
        map.serialize_entry("offset", &record.offset)?;
        entry(&mut map, "value", "value_base64", record.value)?;
        map.end()
    }
}

fn entry<M: SerializeMap>(map: &mut M, name: &str, base64_name: &str, bytes: Option<&[u8]>) -> Result<(), M::Error> {
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => map.serialize_entry(name, &()),
        Some((Ok(text), _)) => map.serialize_entry(name, text),
        Some((Err(_), bytes)) => map.serialize_entry(base64_name, &base64(bytes)),
    }
}

/// An object; a name that repeats has the list of its values.
struct HeaderMap<'a>(Headers<'a>);

impl Serialize for HeaderMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (at, (name, value)) in self.0.enumerate() {
            if self.0.take(at).any(|(earlier, _)| earlier == name) {
                continue;
            }
            let values: Vec<_> =
                self.0.filter(|(other, _)| *other == name).map(|(_, value)| HeaderValue(value)).collect();
            let name = String::from_utf8_lossy(name);
            if values.len() > 1 {
                map.serialize_entry(&name, &values)?;
            } else {
                map.serialize_entry(&name, &HeaderValue(value))?;
            }
        }
        map.end()
    }
}

struct HeaderValue<'a>(Option<&'a [u8]>);

impl Serialize for HeaderValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(bytes) = self.0 else {
            return serializer.serialize_unit();
        };
        if let Ok(text) = std::str::from_utf8(bytes) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("base64", &base64(bytes))?;
        map.end()
    }
}

/// RFC 4648 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| group.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for sextet in 0..4 {
            let index = (bits >> (18 - 6 * sextet)) as usize & 63;
            let letter = ALPHABET.get(index).copied().unwrap_or(b'=');
            out.push(if sextet <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;
    use crate::record::{Batch, HeaderWriter, Slices};

    fn batch(values: &[Option<&[u8]>]) -> WriteBatch {
        let mut batch = Batch::new("topic".into());
        for (offset, value) in values.iter().enumerate() {
            let (key, headers, timestamp_ms) = (None, Headers::default(), -1);
            batch.push(Record { key, value: *value, headers, timestamp_ms, partition: 0, offset: offset as i64 });
        }
        WriteBatch::whole(batch)
    }

    fn lines(batch: &WriteBatch, format: Format) -> (String, Vec<Failure>) {
        let mut out = Vec::new();
        let rows: Vec<u32> = (0..batch.len() as u32).collect();
        let failures = append_lines(batch, &rows, format, &mut out);
        (String::from_utf8(out).unwrap(), failures)
    }

    #[test]
    fn a_value_is_one_line_or_is_refused() {
        let batch = batch(&[Some(b"{\"a\": 1}"), Some(b"{\n \"a\": 1e5\n}"), Some(b"two\nlines"), None, Some(b"")]);
        let (out, failures) = lines(&batch, Format::Value);
        assert_eq!(out, "{\"a\": 1}\n{\"a\":1e5}\nnull\n\n");
        assert_eq!(failures.len(), 1);
        assert_eq!((failures[0].row, failures[0].code, failures[0].retryable), (2, "line_feed", false));
    }

    #[test]
    fn envelope_golden() {
        let mut blocks = Slices::default();
        let mut writer = HeaderWriter::new(&mut blocks);
        writer.push("millstream.reason", Some(b"bad_email"));
        writer.push("trace", Some(b"1"));
        writer.push("trace", None);
        writer.push("raw", Some(b"\xfe\xff"));
        writer.finish();
        let mut batch = Batch::new("topic".into());
        let headers = Headers::new(blocks.get(0));
        let record = Record {
            key: Some(b"k\xff"),
            value: Some(b"a\n\"b\""),
            headers,
            timestamp_ms: 12,
            partition: 3,
            offset: 4,
        };
        batch.push(record);
        batch.push(Record {
            key: Some("é".as_bytes()),
            value: None,
            headers: Headers::default(),
            timestamp_ms: -1,
            ..record
        });
        batch.push(Record { key: None, value: Some(b"\xff"), headers: Headers::default(), ..record });
        let (out, failures) = lines(&WriteBatch::whole(batch), Format::Envelope);
        assert!(failures.is_empty());
        insta::assert_snapshot!(out, @r#"
        {"key_base64":"a/8=","headers":{"millstream.reason":"bad_email","trace":["1",null],"raw":{"base64":"/v8="}},"timestamp":12,"partition":3,"offset":4,"value":"a\n\"b\""}
        {"key":"é","headers":{},"timestamp":null,"partition":3,"offset":4,"value":null}
        {"key":null,"headers":{},"timestamp":12,"partition":3,"offset":4,"value_base64":"/w=="}
        "#);
    }

    #[test]
    fn base64_pads() {
        let encoded = [&b""[..], b"f", b"fo", b"foo", b"foob"].map(base64);
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }
}
