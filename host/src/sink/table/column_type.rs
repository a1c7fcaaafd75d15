//! The column types that records can be written to, by their CQL names.
//!
//! Not here: collections, tuples, counters, `time`, `duration` and user-defined types, which no JSON scalar fits.

use std::fmt;

/// A type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// US-ASCII text.
    Ascii,
    /// UTF-8 text, also called `varchar`.
    Text,
    /// True or false.
    Boolean,
    /// 8-bit integer.
    TinyInt,
    /// 16-bit integer.
    SmallInt,
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    BigInt,
    /// Integer of any size.
    Varint,
    /// 32-bit float.
    Float,
    /// 64-bit float.
    Double,
    /// Decimal number of any size.
    Decimal,
    /// UUID of any version.
    Uuid,
    /// UUID of version 1.
    Timeuuid,
    /// Milliseconds since 1970.
    Timestamp,
    /// A day.
    Date,
    /// An IPv4 or IPv6 address.
    Inet,
    /// Bytes; only in dead letters, since JSON has none.
    Blob,
}

impl ColumnType {
    const ALL: [Self; 17] = [
        Self::Ascii,
        Self::Text,
        Self::Boolean,
        Self::TinyInt,
        Self::SmallInt,
        Self::Int,
        Self::BigInt,
        Self::Varint,
        Self::Float,
        Self::Double,
        Self::Decimal,
        Self::Uuid,
        Self::Timeuuid,
        Self::Timestamp,
        Self::Date,
        Self::Inet,
        Self::Blob,
    ];

    /// The type of that CQL name, in any case; `None` where it is not supported.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("varchar") {
            return Some(Self::Text);
        }
        Self::ALL.into_iter().find(|candidate| name.eq_ignore_ascii_case(candidate.name()))
    }

    /// Its CQL name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::TinyInt => "tinyint",
            Self::SmallInt => "smallint",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::Varint => "varint",
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal => "decimal",
            Self::Uuid => "uuid",
            Self::Timeuuid => "timeuuid",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Inet => "inet",
            Self::Blob => "blob",
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_own_name() {
        for column_type in ColumnType::ALL {
            assert_eq!(ColumnType::from_name(&column_type.name().to_uppercase()), Some(column_type));
        }
        assert_eq!(ColumnType::from_name("varchar"), Some(ColumnType::Text));
        assert_eq!(ColumnType::from_name("list<text>"), None);
    }
}
