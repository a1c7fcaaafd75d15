//! One field of a record as a typed cell.
//!
//! In come the field's kind and text, as the projection made them, and a column type; out comes the cell, or nothing
//! where the text does not fit the type. Text is borrowed.

use std::{borrow::Cow, net::IpAddr};

use super::{ColumnType, Numeral, json, time};
use crate::record::Kind;

/// A cell, not yet in the form of a database.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// UTF-8 text; US-ASCII in a column of that type.
    Text(Cow<'a, [u8]>),
    /// Bytes.
    Blob(&'a [u8]),
    /// `boolean`
    Boolean(bool),
    /// `tinyint` to `bigint`; within the range of the column's type.
    Integer(i64),
    /// `float`; finite.
    Float(f32),
    /// `double`; finite.
    Double(f64),
    /// `varint`; a whole number.
    Varint(Numeral<'a>),
    /// `decimal`, and the text it was read from.
    Decimal(Numeral<'a>, &'a str),
    /// `uuid` and `timeuuid`
    Uuid(uuid::Uuid),
    /// `timestamp`: Unix milliseconds.
    Timestamp(i64),
    /// `date`: days since 1970-01-01.
    Date(i64),
    /// `inet`
    Inet(IpAddr),
}

/// The cell of a field, or `None` where its text does not fit the type.
///
/// A text column takes everything: numbers as written, `true`, `false`, arrays and objects as compact JSON. The
/// other types take the JSON scalar of their kind or its text in a string.
pub fn cell<'a>(kind: Kind, text: &'a [u8], column_type: ColumnType) -> Option<Cell<'a>> {
    match (kind, column_type) {
        (Kind::Absent | Kind::Null | Kind::NotJson | Kind::NotObject, _) => return Some(Cell::Null),
        (_, ColumnType::Text) => return Some(Cell::Text(as_text(kind, text))),
        (_, ColumnType::Ascii) => {
            let text = as_text(kind, text);
            return text.is_ascii().then_some(Cell::Text(text));
        }
        (Kind::True, ColumnType::Boolean) => return Some(Cell::Boolean(true)),
        (Kind::False, ColumnType::Boolean) => return Some(Cell::Boolean(false)),
        (Kind::True | Kind::False | Kind::Array | Kind::Object, _) => return None,
        (Kind::String | Kind::Number, _) => {}
    }
    let text = std::str::from_utf8(text).ok()?;
    Some(match column_type {
        ColumnType::TinyInt => integer(text, i8::MIN.into(), i8::MAX.into())?,
        ColumnType::SmallInt => integer(text, i16::MIN.into(), i16::MAX.into())?,
        ColumnType::Int => integer(text, i32::MIN.into(), i32::MAX.into())?,
        ColumnType::BigInt => integer(text, i64::MIN, i64::MAX)?,
        ColumnType::Varint => {
            let numeral = Numeral::parse(text)?;
            numeral.is_whole().then_some(Cell::Varint(numeral))?
        }
        ColumnType::Decimal => Cell::Decimal(Numeral::parse(text)?, text),
        // `parse` alone would take "inf", "nan" and make infinities of what is too large.
        ColumnType::Float => Cell::Float(Numeral::parse(text).and(text.parse().ok()).filter(|x: &f32| x.is_finite())?),
        ColumnType::Double => {
            Cell::Double(Numeral::parse(text).and(text.parse().ok()).filter(|x: &f64| x.is_finite())?)
        }
        ColumnType::Boolean if text.eq_ignore_ascii_case("true") => Cell::Boolean(true),
        ColumnType::Boolean if text.eq_ignore_ascii_case("false") => Cell::Boolean(false),
        ColumnType::Boolean => return None,
        ColumnType::Uuid => Cell::Uuid(parse_uuid(text)?),
        ColumnType::Timeuuid => Cell::Uuid(parse_uuid(text).filter(|uuid| uuid.get_version_num() == 1)?),
        ColumnType::Timestamp => Cell::Timestamp(parse_instant(text)?),
        ColumnType::Date => Cell::Date(time::parse_date(text)?),
        ColumnType::Inet => Cell::Inet(text.parse().ok()?),
        ColumnType::Text | ColumnType::Ascii | ColumnType::Blob => return None,
    })
}

fn as_text(kind: Kind, text: &[u8]) -> Cow<'_, [u8]> {
    match kind {
        Kind::True => Cow::Borrowed(b"true"),
        Kind::False => Cow::Borrowed(b"false"),
        Kind::Array | Kind::Object => {
            let mut out = Vec::new();
            json::compact(text, &mut out);
            Cow::Owned(out)
        }
        _ => Cow::Borrowed(text),
    }
}

fn integer(text: &str, min: i64, max: i64) -> Option<Cell<'static>> {
    let value = Numeral::parse(text)?.to_i64()?;
    (min..=max).contains(&value).then_some(Cell::Integer(value))
}

/// Only the form with hyphens, as Cassandra takes it; the parser would also take `{…}`, `urn:uuid:…` and 32 digits.
fn parse_uuid(text: &str) -> Option<uuid::Uuid> {
    (text.len() == 36).then(|| uuid::Uuid::try_parse(text).ok()).flatten()
}

/// ISO 8601, or milliseconds since 1970 (also in a string, as CQL takes it).
pub(super) fn parse_instant(text: &str) -> Option<i64> {
    time::parse_timestamp(text).or_else(|| Numeral::parse(text)?.to_i64())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &str, column_type: ColumnType) -> Option<Cell<'_>> {
        cell(Kind::String, text.as_bytes(), column_type)
    }

    fn number(text: &str, column_type: ColumnType) -> Option<Cell<'_>> {
        cell(Kind::Number, text.as_bytes(), column_type)
    }

    fn text(text: &str) -> Option<Cell<'_>> {
        Some(Cell::Text(Cow::Borrowed(text.as_bytes())))
    }

    #[test]
    fn a_text_column_takes_every_kind() {
        assert_eq!(string("é", ColumnType::Text), text("é"));
        assert_eq!(number("1e5", ColumnType::Text), text("1e5"));
        assert_eq!(number("12.50", ColumnType::Text), text("12.50"));
        assert_eq!(cell(Kind::True, b"true", ColumnType::Text), text("true"));
        assert_eq!(cell(Kind::False, b"", ColumnType::Text), text("false"));
        assert_eq!(cell(Kind::Object, b"{ \"a\" : [1, 2] }", ColumnType::Text), text(r#"{"a":[1,2]}"#));
        assert_eq!(cell(Kind::Null, b"", ColumnType::Text), Some(Cell::Null));
        assert_eq!(cell(Kind::Absent, b"", ColumnType::Uuid), Some(Cell::Null));
        assert_eq!(string("é", ColumnType::Ascii), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (value, column_type) in [
            ("128", ColumnType::TinyInt),
            ("-32769", ColumnType::SmallInt),
            ("2147483648", ColumnType::Int),
            ("1.5", ColumnType::BigInt),
            ("1.5", ColumnType::Varint),
            ("NaN", ColumnType::Double),
            ("1e400", ColumnType::Double),
            ("1e39", ColumnType::Float),
            ("yes", ColumnType::Boolean),
            ("6ba7b8109dad11d180b400c04fd430c8", ColumnType::Uuid),
            ("{6ba7b810-9dad-11d1-80b4-00c04fd430}", ColumnType::Uuid),
            ("f47ac10b-58cc-4372-a567-0e02b2c3d479", ColumnType::Timeuuid),
            ("6ba7b810-9dad-11d1-80b4-00c04fd430c8\n", ColumnType::Uuid),
            ("tomorrow", ColumnType::Timestamp),
            ("2024-02-30", ColumnType::Date),
            ("1.2.3", ColumnType::Inet),
            ("", ColumnType::Int),
        ] {
            assert_eq!(string(value, column_type), None, "{value} as {column_type}");
        }
        assert_eq!(cell(Kind::True, b"true", ColumnType::Int), None);
        assert_eq!(cell(Kind::Array, b"[1]", ColumnType::Int), None);
    }

    #[test]
    fn scalars_fit_as_numbers_and_in_strings() {
        assert_eq!(number("1e2", ColumnType::TinyInt), Some(Cell::Integer(100)));
        assert_eq!(string("-7", ColumnType::BigInt), Some(Cell::Integer(-7)));
        assert_eq!(number("1709210096789", ColumnType::Timestamp), Some(Cell::Timestamp(1_709_210_096_789)));
        assert_eq!(string("2024-02-29T12:34:56.789Z", ColumnType::Timestamp), Some(Cell::Timestamp(1_709_210_096_789)));
        assert_eq!(string("TRUE", ColumnType::Boolean), Some(Cell::Boolean(true)));
        assert_eq!(string("::1", ColumnType::Inet), Some(Cell::Inet(IpAddr::from([0u16, 0, 0, 0, 0, 0, 0, 1]))));
        assert!(string("6ba7b810-9dad-11d1-80b4-00c04fd430c8", ColumnType::Timeuuid).is_some());
    }

    proptest! {
        #[test]
        fn uuids_of_either_case_are_one(bytes: [u8; 16]) {
            let uuid = uuid::Uuid::from_bytes(bytes);
            let lower = uuid.hyphenated().to_string();
            let upper = lower.to_uppercase();
            prop_assert_eq!(string(&lower, ColumnType::Uuid), Some(Cell::Uuid(uuid)));
            prop_assert_eq!(string(&upper, ColumnType::Uuid), Some(Cell::Uuid(uuid)));
        }

        #[test]
        fn doubles_come_back(value in prop::num::f64::NORMAL | prop::num::f64::ZERO) {
            let text = format!("{value:e}");
            prop_assert_eq!(number(&text, ColumnType::Double), Some(Cell::Double(value)));
        }

        #[test]
        fn integers_fit_exactly_their_range(value: i64) {
            let text = value.to_string();
            let fits = |column_type| number(&text, column_type) == Some(Cell::Integer(value));
            prop_assert!(fits(ColumnType::BigInt));
            prop_assert_eq!(fits(ColumnType::Int), i32::try_from(value).is_ok());
        }
    }
}
