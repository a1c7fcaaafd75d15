//! Typed records: a struct says which fields a plugin needs and as what; it is declared once and read for each record.
//!
//! What comes in is a record whose fields the host has taken out; what goes out is a value of the struct, or the [`Fault`]
//! to reject the record with. Nothing is parsed that the struct does not name, and nothing is copied unless it says `String`.

use std::fmt;

use crate::{Field, Kind, Record, Setup, TextField, Verdict};

/// A struct that is read from records. Derive it:
///
/// ```
/// use millstream_sdk::{Fields, Plugin, Record, Setup, Text, Typed, Verdict};
///
/// #[derive(Fields)]
/// #[fields(rename_all = "camelCase")]
/// struct Order<'a> {
///     id: &'a str,
///     total_cents: i64,                       // the field `totalCents`
///     #[field(rename = "/address/city")]      // a name, or a JSON pointer
///     city: Option<&'a str>,                  // absent and null are `None`
///     #[field(default)]                       // absent and null are `false`
///     express: bool,
///     post_code: Text<'a>,                    // a string, or a number as it is written
/// }
///
/// struct Paid {
///     order: Typed<Order<'static>>,
/// }
///
/// impl Plugin for Paid {
///     fn new(setup: &mut Setup) -> Result<Self, String> {
///         Ok(Self { order: setup.fields() })
///     }
///     fn record(&mut self, record: &Record<'_>) -> Verdict {
///         let order = match self.order.read(record) {
///             Ok(order) => order,
///             Err(fault) => return fault.into(),
///         };
///         if order.total_cents > 0 || order.express { Verdict::Keep } else { Verdict::Drop("unpaid".into()) }
///     }
/// }
/// # use millstream_sdk::testing::Harness;
/// # let mut plugin = Harness::<Paid>::new("{}").unwrap();
/// # let good = r#"{"id": "a", "totalCents": 1, "postCode": 99}"#;
/// # let odd = r#"{"id": "a", "totalCents": 1.5, "postCode": 99}"#;
/// # assert_eq!(plugin.run(&[good, odd, "{}"]).unwrap(),
/// #     [Verdict::Keep, Verdict::Reject("wrong_type: totalCents".into()), Verdict::Reject("missing_field: id".into())]);
/// ```
///
/// A record that does not fit is a [`Fault`] of its first field that does not. Types are those that implement [`FromField`];
/// others are compile errors:
///
/// ```compile_fail
/// #[derive(millstream_sdk::Fields)]
/// struct Order {
///     lines: Vec<String>,
/// }
/// ```
pub trait Fields: Sized {
    /// The struct, borrowing from a record for as long as its batch is there.
    type Of<'a>;
    /// What declaring its fields has given.
    type Handles: 'static;

    /// Declares its fields.
    fn declare(setup: &mut Setup) -> Self::Handles;

    /// Reads it from a record.
    fn read<'a>(handles: &Self::Handles, record: &Record<'a>) -> Result<Self::Of<'a>, Fault>;
}

/// A struct whose fields were declared by [`Setup::fields`], to be read from each record. One that borrows is named
/// `Typed<Order<'static>>`; what [`read`](Typed::read) gives borrows from the record.
pub struct Typed<T: Fields>(T::Handles);

impl<T: Fields> Typed<T> {
    pub(crate) fn declare(setup: &mut Setup) -> Self {
        Self(T::declare(setup))
    }

    /// Reads the struct. A [`Fault`] becomes the verdict to reject the record with by `into`.
    #[inline]
    pub fn read<'a>(&self, record: &Record<'a>) -> Result<T::Of<'a>, Fault> {
        T::read(&self.0, record)
    }
}

/// Why a record cannot be read as a struct: `missing_field: FIELD` (absent or null), `wrong_type: FIELD`, or, of any field,
/// `not_json` and `not_json: root is not an object`. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault(&'static str);

impl Fault {
    /// `code: detail`, as a verdict has it.
    pub fn reason(self) -> &'static str {
        self.0
    }

    /// The part of the reason that is counted.
    pub fn code(self) -> &'static str {
        self.0.split(':').next().unwrap_or(self.0)
    }

    /// The field, as the struct names it; `None` where the record as a whole is wrong.
    pub fn field(self) -> Option<&'static str> {
        self.0.strip_prefix("missing_field: ").or_else(|| self.0.strip_prefix("wrong_type: "))
    }

    #[cold]
    fn of(kind: Kind, [missing, wrong]: &[&'static str; 2]) -> Self {
        Self(match kind {
            Kind::Absent | Kind::Null => missing,
            Kind::NotJson => "not_json",
            Kind::NotObject => "not_json: root is not an object",
            _ => wrong,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Verdict {
    fn from(fault: Fault) -> Self {
        Self::Reject(fault.0.into())
    }
}

/// What a field of a record can be read as. Implement it for types of your own: a date, an amount, an enumeration.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a field of a record",
    label = "not a type of a record's field",
    note = "fields are read as `&str`, `String`, `Text`, `bool`, integers, `f64`, `Kind`, `Option` of these, and what implements `FromField`"
)]
pub trait FromField<'a>: Sized {
    /// Whether the text is needed; a field of which only the kind is asked costs less.
    const TEXT: bool = true;

    /// The value of a field of that kind. `text` is that of a string, of a number (as it is written) or of `true` and `false`,
    /// and empty for all other kinds. `None` where there is no such value. Never asked about a record that is no object.
    fn from_field(kind: Kind, text: &'a str) -> Option<Self>;
}

/// The text of a string or number (as it is written), or `true` and `false`: for fields that come as one or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(pub &'a str);

impl<'a> FromField<'a> for Text<'a> {
    #[inline]
    fn from_field(kind: Kind, text: &'a str) -> Option<Self> {
        matches!(kind, Kind::String | Kind::Number | Kind::True | Kind::False).then_some(Self(text))
    }
}

impl<'a> FromField<'a> for &'a str {
    #[inline]
    fn from_field(kind: Kind, text: &'a str) -> Option<Self> {
        (kind == Kind::String).then_some(text)
    }
}

impl<'a> FromField<'a> for String {
    #[inline]
    fn from_field(kind: Kind, text: &'a str) -> Option<Self> {
        (kind == Kind::String).then(|| text.to_owned())
    }
}

impl<'a> FromField<'a> for bool {
    const TEXT: bool = false;

    #[inline]
    fn from_field(kind: Kind, _: &'a str) -> Option<Self> {
        match kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }
}

/// What the field is, absent and null included.
impl<'a> FromField<'a> for Kind {
    const TEXT: bool = false;

    #[inline]
    fn from_field(kind: Kind, _: &'a str) -> Option<Self> {
        Some(kind)
    }
}

impl<'a, T: FromField<'a>> FromField<'a> for Option<T> {
    const TEXT: bool = T::TEXT;

    #[inline]
    fn from_field(kind: Kind, text: &'a str) -> Option<Self> {
        match kind {
            Kind::Absent | Kind::Null => Some(None),
            _ => T::from_field(kind, text).map(Some),
        }
    }
}

/// As serde_json reads them: an integer is written without point and exponent, and one that does not fit is of a wrong type.
macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl<'a> FromField<'a> for $number {
            #[inline]
            fn from_field(kind: Kind, text: &'a str) -> Option<Self> {
                if kind == Kind::Number { text.parse().ok() } else { None }
            }
        }
    )*};
}

numbers!(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128, f32, f64);

/// A declared field of a struct. For what the derive macro makes.
#[derive(Debug, Clone, Copy)]
pub struct Handle(u16);

impl Handle {
    /// Declares a field as its type needs it.
    pub fn declare<'a, T: FromField<'a>>(setup: &mut Setup, pointer: &str) -> Self {
        if T::TEXT { Self(setup.text(pointer).0) } else { Self(setup.field(pointer).0) }
    }

    /// Reads it; `reasons` are those of a field that is missing and of one of a wrong type.
    #[inline]
    pub fn read<'a, T: FromField<'a>>(self, record: &Record<'a>, reasons: &[&'static str; 2]) -> Result<T, Fault> {
        let kind = record.kind(Field(self.0));
        if matches!(kind, Kind::NotJson | Kind::NotObject) {
            return Err(Fault::of(kind, reasons));
        }
        let text = if T::TEXT { record.text_of_kind(kind, TextField(self.0)).unwrap_or_default() } else { "" };
        T::from_field(kind, text).ok_or_else(|| Fault::of(kind, reasons))
    }
}

#[cfg(test)]
mod tests;
