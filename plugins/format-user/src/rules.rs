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

/// The address in one line, from street number, street name, city, state and country.
pub fn address([number, street, city, state, country]: [&str; 5]) -> String {
    format!("{number} {street}, {city}, {state}, {country}")
}

/// A JSON object under construction, compact, its members in the order in which they are given.
#[derive(Debug)]
pub struct Object {
    json: String,
}

impl Object {
    /// Room for a usual user.
    const CAPACITY: usize = 512;

    /// An object without members.
    #[expect(clippy::new_without_default, reason = "made in one place only")]
    pub fn new() -> Self {
        let mut json = String::with_capacity(Self::CAPACITY);
        json.push('{');
        Self { json }
    }

    /// Adds a member; `name` must need no escaping.
    pub fn member(&mut self, name: &str, value: Value<'_>) {
        if self.json.len() > 1 {
            self.json.push(',');
        }
        self.json.push('"');
        self.json.push_str(name);
        self.json.push_str("\":");
        match value {
            Value::Text(text) => self.string(text),
            Value::Literal(text) => self.json.push_str(text),
        }
    }

    /// The whole object.
    pub fn finish(mut self) -> String {
        self.json.push('}');
        self.json
    }

    fn string(&mut self, text: &str) {
        self.json.push('"');
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
        self.json.push('"');
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_character_survives_as_json() {
        let mut text: String = (0..=0x2fff).filter_map(char::from_u32).collect();
        text.push_str("\"\\\u{10ffff}end");
        let mut object = Object::new();
        object.member("a", Value::Text(&text));
        object.member("b", Value::Text(""));
        let read: serde_json::Value = serde_json::from_str(&object.finish()).unwrap();
        assert_eq!(read, serde_json::json!({ "a": text, "b": "" }));
    }

    #[test]
    fn utf8_is_kept_and_only_what_must_be_is_escaped() {
        let mut object = Object::new();
        object.member("city", Value::Text("Nr Åby \"\n\u{1}\u{7f}"));
        object.member("n", Value::Literal("1.50"));
        assert_eq!(object.finish(), "{\"city\":\"Nr Åby \\\"\\n\\u0001\u{7f}\",\"n\":1.50}");
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
