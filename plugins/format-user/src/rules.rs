//! The shape of the user record, as pure functions of its parts.
//!
//! A field keeps its JSON type and a null stays null, as in the notebook, except in the address: there the notebook's
//! Python would write the word `None`, so a null counts as missing.

use crate::copy;

/// A scalar of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string's text.
    Text(&'a str),
    /// A number, `true`, `false` or `null`, as written.
    Literal(&'a str),
}

/// Why no user can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The field is not there, or null where it must not be.
    Missing,
    /// It is an array or an object.
    NotScalar,
}

impl Fault {
    /// The reason for which the result is rejected.
    pub fn reason(self, pointer: &str) -> String {
        match self {
            Self::Missing => format!("missing_field: {pointer}"),
            Self::NotScalar => format!("bad_field: {pointer}"),
        }
    }
}

/// A part of the address as Python's `str` writes it.
pub fn address_part(value: Value<'_>) -> Result<&str, Fault> {
    match value {
        Value::Literal("null") => Err(Fault::Missing),
        Value::Literal("true") => Ok("True"),
        Value::Literal("false") => Ok("False"),
        Value::Literal(text) | Value::Text(text) => Ok(text),
    }
}

/// A member's name with all that stands around it, ready to be copied.
#[derive(Debug)]
pub struct Name(Vec<u8>);

impl Name {
    /// Of an object's first member; `name` must need no escaping.
    pub fn first(name: &str) -> Self {
        Self(format!("{{\"{name}\":").into_bytes())
    }

    /// Of any other member.
    pub fn next(name: &str) -> Self {
        Self(format!(",\"{name}\":").into_bytes())
    }
}

/// A JSON object under construction, compact, its members in the order in which they are given.
#[derive(Debug)]
pub struct Object<'a> {
    json: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    /// An object without members, in place of what `json` holds; its memory is used again from record to record.
    pub fn begin(json: &'a mut Vec<u8>) -> Self {
        json.clear();
        Self { json }
    }

    /// Adds a member.
    pub fn member(&mut self, name: &Name, value: Value<'_>) {
        copy::append(self.json, &name.0);
        match value {
            Value::Text(text) => {
                self.json.push(b'"');
                self.text(text);
                self.json.push(b'"');
            }
            Value::Literal(text) => {
                copy::append(self.json, text.as_bytes());
            }
        }
    }

    /// Adds the address in one line, from street number, street name, city, state and country.
    pub fn address(&mut self, name: &Name, parts: [&str; 5]) {
        const BEFORE: [&[u8]; 5] = [b"\"", b" ", b", ", b", ", b", "];
        copy::append(self.json, &name.0);
        for (before, part) in BEFORE.into_iter().zip(parts) {
            copy::append(self.json, before);
            self.text(part);
        }
        self.json.push(b'"');
    }

    /// Ends the object.
    pub fn finish(self) {
        self.json.push(b'}');
    }

    fn text(&mut self, text: &str) {
        let before = self.json.len();
        if !copy::append(self.json, text.as_bytes()) {
            self.json.truncate(before);
            self.escaped(text);
        }
    }

    /// As rarely as there is something to escape.
    #[cold]
    fn escaped(&mut self, text: &str) {
        for piece in text.split_inclusive(|c: char| c < ' ' || matches!(c, '"' | '\\')) {
            // at most the last character of a piece is one to escape
            let mut plain = piece.chars();
            match plain.next_back() {
                Some(last) if last < ' ' || matches!(last, '"' | '\\') => {
                    self.json.extend_from_slice(plain.as_str().as_bytes());
                    self.escape(last);
                }
                _ => self.json.extend_from_slice(piece.as_bytes()),
            }
        }
    }

    fn escape(&mut self, c: char) {
        match c {
            '"' => self.json.extend_from_slice(b"\\\""),
            '\\' => self.json.extend_from_slice(b"\\\\"),
            '\n' => self.json.extend_from_slice(b"\\n"),
            '\r' => self.json.extend_from_slice(b"\\r"),
            '\t' => self.json.extend_from_slice(b"\\t"),
            _ => self.json.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn every_character_survives_as_json() {
        let mut text: String = (0..=0x2fff).filter_map(char::from_u32).collect();
        text.push_str("\"\\\u{10ffff}end");
        let mut json = b"what was here before".to_vec();
        let mut object = Object::begin(&mut json);
        object.member(&Name::first("a"), Value::Text(&text));
        object.member(&Name::next("b"), Value::Text(""));
        object.finish();
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read, serde_json::json!({ "a": text, "b": "" }));
    }

    #[test]
    fn utf8_is_kept_and_only_what_must_be_is_escaped() {
        let mut json = Vec::new();
        let mut object = Object::begin(&mut json);
        object.member(&Name::first("city"), Value::Text("Nr Åby \"\n\u{1}\u{7f}"));
        object.member(&Name::next("n"), Value::Literal("1.50"));
        object.finish();
        assert_eq!(String::from_utf8(json).unwrap(), "{\"city\":\"Nr Åby \\\"\\n\\u0001\u{7f}\",\"n\":1.50}");
    }

    #[test]
    fn address_parts_are_written_as_python_writes_them() {
        assert_eq!(address_part(Value::Literal("42")), Ok("42"));
        assert_eq!(address_part(Value::Text("42b")), Ok("42b"));
        assert_eq!(address_part(Value::Literal("true")), Ok("True"));
        assert_eq!(address_part(Value::Literal("null")), Err(Fault::Missing));
        assert_eq!(address_part(Value::Text("null")), Ok("null"));
    }
}
