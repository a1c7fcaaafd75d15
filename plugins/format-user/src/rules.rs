//! The shape of the user record, as pure functions of its parts.
//!
//! A field keeps its JSON type and a null stays null, as in the notebook, except in the address: there the notebook's
//! Python would write the word `None`, so a null counts as missing.

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

/// A JSON object under construction, compact, its members in the order in which they are given.
#[derive(Debug)]
pub struct Object<'a> {
    json: &'a mut String,
}

impl<'a> Object<'a> {
    /// An object without members, in place of what `json` holds; its memory is used again from record to record.
    pub fn begin(json: &'a mut String) -> Self {
        json.clear();
        json.push('{');
        Self { json }
    }

    /// Adds a member; `name` must need no escaping.
    pub fn member(&mut self, name: &str, value: Value<'_>) {
        self.name(name);
        match value {
            Value::Text(text) => {
                self.json.push('"');
                self.escaped(text);
                self.json.push('"');
            }
            Value::Literal(text) => self.json.push_str(text),
        }
    }

    /// Adds the address in one line, from street number, street name, city, state and country.
    pub fn address(&mut self, name: &str, parts: [&str; 5]) {
        const BEFORE: [&str; 5] = ["\"", " ", ", ", ", ", ", "];
        self.name(name);
        for (before, part) in BEFORE.into_iter().zip(parts) {
            self.json.push_str(before);
            self.escaped(part);
        }
        self.json.push('"');
    }

    /// Ends the object.
    pub fn finish(self) {
        self.json.push('}');
    }

    fn name(&mut self, name: &str) {
        self.json.push_str(if self.json.len() > 1 { ",\"" } else { "\"" });
        self.json.push_str(name);
        self.json.push_str("\":");
    }

    fn escaped(&mut self, text: &str) {
        if is_plain(text.as_bytes()) {
            return self.json.push_str(text);
        }
        for piece in text.split_inclusive(|c: char| c < ' ' || matches!(c, '"' | '\\')) {
            // at most the last character of a piece is one to escape
            let mut plain = piece.chars();
            match plain.next_back() {
                Some(last) if last < ' ' || matches!(last, '"' | '\\') => {
                    self.json.push_str(plain.as_str());
                    self.escape(last);
                }
                _ => self.json.push_str(piece),
            }
        }
    }

    fn escape(&mut self, c: char) {
        match c {
            '"' => self.json.push_str("\\\""),
            '\\' => self.json.push_str("\\\\"),
            '\n' => self.json.push_str("\\n"),
            '\r' => self.json.push_str("\\r"),
            '\t' => self.json.push_str("\\t"),
            _ => self.json.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
}

/// Whether nothing has to be escaped. By 16 bytes, without a branch among them: that is what the sandbox runs fast.
fn is_plain(text: &[u8]) -> bool {
    let is_special = |byte: &u8| (*byte < b' ') | (*byte == b'"') | (*byte == b'\\');
    let (chunks, rest) = text.as_chunks::<16>();
    let has_special = |bytes: &[u8]| bytes.iter().fold(false, |special, byte| special | is_special(byte));
    !chunks.iter().any(|chunk| has_special(chunk)) && !has_special(rest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn every_character_survives_as_json() {
        let mut text: String = (0..=0x2fff).filter_map(char::from_u32).collect();
        text.push_str("\"\\\u{10ffff}end");
        let mut json = "what was here before".to_owned();
        let mut object = Object::begin(&mut json);
        object.member("a", Value::Text(&text));
        object.member("b", Value::Text(""));
        object.finish();
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read, serde_json::json!({ "a": text, "b": "" }));
    }

    #[test]
    fn utf8_is_kept_and_only_what_must_be_is_escaped() {
        let mut json = String::new();
        let mut object = Object::begin(&mut json);
        object.member("city", Value::Text("Nr Åby \"\n\u{1}\u{7f}"));
        object.member("n", Value::Literal("1.50"));
        object.finish();
        assert_eq!(json, "{\"city\":\"Nr Åby \\\"\\n\\u0001\u{7f}\",\"n\":1.50}");
    }

    #[test]
    fn one_special_byte_is_seen_wherever_it_stands() {
        for length in 0..40 {
            let plain = "é".repeat(20).into_bytes();
            assert!(is_plain(&plain[..length]));
            for at in 0..length {
                for special in [0, 0x1f, b'"', b'\\'] {
                    let mut text = plain[..length].to_vec();
                    text[at] = special;
                    assert!(!is_plain(&text), "{special} at {at} of {length}");
                }
            }
        }
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
