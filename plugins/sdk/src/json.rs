//! Writes JSON objects from the texts of a batch, the way that is cheap in the sandbox.
//!
//! What comes in are cells of [columns](crate::Column), what comes out is compact JSON at the end of a buffer: members in the
//! order in which they are given, UTF-8 as it is, nothing escaped that need not be. [`Outcome::try_replace_keyed`] writes the value
//! of a record in place, without a copy.
//!
//! ```
//! use millstream_sdk::{Cell, Kind, json::{Name, Object}};
//! let (city, zip) = (Cell::new(Kind::String, b"\"Ume\xc3\xa5\""), Cell::new(Kind::Number, b"90187"));
//! let names = [Name::first("city"), Name::next("zip")];
//! let mut json = Vec::new();
//! let mut object = Object::begin(&mut json);
//! object.text(&names[0], city);
//! object.literal(&names[1], zip);
//! object.finish();
//! assert_eq!(String::from_utf8(json).unwrap(), r#"{"city":"\"Umeå\"","zip":90187}"#);
//! ```
//!
//! [`Outcome::try_replace_keyed`]: crate::Outcome::try_replace_keyed

mod wide;

use crate::{Cell, Kind};

/// A member's name with all that stands before its value, ready to be copied. Made once, in
/// [`new`](crate::Plugin::new).
#[derive(Debug, Clone)]
pub struct Name {
    /// Up to the opening quote of a text, and zeros up to a whole number of chunks.
    padded: Vec<u8>,
    length: usize,
}

impl Name {
    /// Of an object's first member; `name` must need no escaping.
    pub fn first(name: &str) -> Self {
        Self::new(&format!("{{\"{name}\":\""))
    }

    /// Of any other member.
    pub fn next(name: &str) -> Self {
        Self::new(&format!(",\"{name}\":\""))
    }

    fn new(before: &str) -> Self {
        let mut padded = before.as_bytes().to_vec();
        padded.resize(before.len().next_multiple_of(wide::CHUNK), 0);
        Self { padded, length: before.len() }
    }
}

/// A JSON object under construction, at the end of a buffer.
#[derive(Debug)]
pub struct Object<'a> {
    json: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    /// An object without members, behind what `json` holds.
    pub fn begin(json: &'a mut Vec<u8>) -> Self {
        Self { json }
    }

    /// Adds a member that is a string: the text of a cell, with what must be escaped escaped.
    #[inline]
    pub fn text(&mut self, name: &Name, text: Cell<'_>) {
        wide::append(self.json, &name.padded, name.length);
        self.inside(text);
        self.json.push(b'"');
    }

    /// Adds a member that is a number, `true`, `false` or `null`, as the cell has it.
    #[inline]
    pub fn literal(&mut self, name: &Name, literal: Cell<'_>) {
        wide::append(self.json, &name.padded, name.length - 1);
        let (text, length) = match literal.kind() {
            Kind::Null => (&b"null"[..], 4),
            Kind::True => (&b"true"[..], 4),
            Kind::False => (&b"false"[..], 5),
            _ => literal.onwards(),
        };
        wide::append(self.json, text, length);
    }

    /// Adds a member that is a string of several parts, each a plain text that goes before the cell's.
    #[inline]
    pub fn joined<'t>(&mut self, name: &Name, parts: impl IntoIterator<Item = (&'t str, Cell<'t>)>) {
        wide::append(self.json, &name.padded, name.length);
        for (before, text) in parts {
            // A few bytes at most: a copy of unknown length would be a call.
            before.bytes().for_each(|byte| self.json.push(byte));
            self.inside(text);
        }
        self.json.push(b'"');
    }

    /// Ends the object.
    pub fn finish(self) {
        self.json.push(b'}');
    }

    #[inline]
    fn inside(&mut self, text: Cell<'_>) {
        let (onwards, length) = text.onwards();
        let before = self.json.len();
        if !wide::append(self.json, onwards, length) {
            self.json.truncate(before);
            self.escaped(onwards.get(..length).unwrap_or_default());
        }
    }

    /// As rarely as there is something to escape.
    #[cold]
    fn escaped(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                b'"' => self.json.extend_from_slice(b"\\\""),
                b'\\' => self.json.extend_from_slice(b"\\\\"),
                b'\n' => self.json.extend_from_slice(b"\\n"),
                b'\r' => self.json.extend_from_slice(b"\\r"),
                b'\t' => self.json.extend_from_slice(b"\\t"),
                0..b' ' => self.json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.json.push(*byte),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell<'_> {
        Cell::new(Kind::String, text.as_bytes())
    }

    #[test]
    fn every_character_survives_as_json() {
        let mut every: String = (0..=0x2fff).filter_map(char::from_u32).collect();
        every.push_str("\"\\\u{10ffff}end");
        let mut json = Vec::new();
        let mut object = Object::begin(&mut json);
        object.text(&Name::first("a"), text(&every));
        object.text(&Name::next("a name that is longer than two of the chunks in which it is copied"), text(""));
        object.finish();
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read["a"], every);
        assert_eq!(read["a name that is longer than two of the chunks in which it is copied"], "");
    }

    #[test]
    fn utf8_is_kept_and_only_what_must_be_is_escaped() {
        let mut json = b"before".to_vec();
        let mut object = Object::begin(&mut json);
        object.text(&Name::first("city"), text("Nr Åby \"\n\u{1}\u{7f}"));
        object.literal(&Name::next("n"), Cell::new(Kind::Number, b"1.50"));
        object.literal(&Name::next("m"), Cell::new(Kind::Null, b""));
        object.joined(&Name::next("j"), [("", text("a\\")), (", ", text("b"))]);
        object.finish();
        let expected = "before{\"city\":\"Nr Åby \\\"\\n\\u0001\u{7f}\",\"n\":1.50,\"m\":null,\"j\":\"a\\\\, b\"}";
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }
}
