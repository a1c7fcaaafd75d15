//! The shape of the user record, as pure functions of its parts.
//!
//! A field keeps its JSON type and a null stays null, as in the notebook, except in the address: there the notebook's
//! Python would write the word `None`, so a null counts as missing.

use millstream_sdk::{Cell, Kind};

/// Why no user can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The value is no JSON.
    NotJson,
    /// It is JSON and no object.
    NotObject,
    /// The field is not there, or null where it must not be.
    Missing,
    /// It is an array or an object.
    NotScalar,
}

impl Fault {
    /// What is wrong with a field of that kind, which is none that the record can take over.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::NotJson => Self::NotJson,
            Kind::NotObject => Self::NotObject,
            Kind::Array | Kind::Object => Self::NotScalar,
            _ => Self::Missing,
        }
    }

    /// The reason for which the result is rejected.
    pub fn reason(self, pointer: &str) -> String {
        match self {
            Self::NotJson => "not_json".to_owned(),
            Self::NotObject => "not_json: root is not an object".to_owned(),
            Self::Missing => format!("missing_field: {pointer}"),
            Self::NotScalar => format!("bad_field: {pointer}"),
        }
    }
}

/// A part of the address as Python's `str` writes it.
pub fn address_part(part: Cell<'_>) -> Result<Cell<'_>, Fault> {
    match part.kind() {
        Kind::String | Kind::Number => Ok(part),
        Kind::True => Ok(Cell::new(Kind::String, b"True")),
        Kind::False => Ok(Cell::new(Kind::String, b"False")),
        other => Err(Fault::of(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_parts_are_written_as_python_writes_them() {
        let part = |kind, text: &'static str| {
            address_part(Cell::new(kind, text.as_bytes())).map(|part| part.text().unwrap_or_default().to_owned())
        };
        assert_eq!(part(Kind::Number, "42"), Ok(b"42".to_vec()));
        assert_eq!(part(Kind::String, "42b"), Ok(b"42b".to_vec()));
        assert_eq!(part(Kind::True, ""), Ok(b"True".to_vec()));
        assert_eq!(part(Kind::Null, ""), Err(Fault::Missing));
        assert_eq!(part(Kind::String, "null"), Ok(b"null".to_vec()));
        assert_eq!(part(Kind::Array, ""), Err(Fault::NotScalar));
    }
}
