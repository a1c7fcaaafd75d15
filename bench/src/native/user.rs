//! The flat user record as serde_json reads it: owned, and borrowed where the text has no escapes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::rules::Checked;

/// A text that is borrowed unless it has escapes; `Option<Cow<str>>` alone would always be owned.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A record whose texts are its own.
#[derive(Debug, Deserialize, Serialize)]
pub struct OwnedUser {
    pub id: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub gender: Option<String>,
    pub address: Option<String>,
    /// A number in most countries.
    pub post_code: Option<Box<RawValue>>,
    pub email: Option<String>,
    pub username: Option<String>,
    pub dob: Option<String>,
    pub registered_date: Option<String>,
    pub phone: Option<String>,
    pub picture: Option<String>,
}

/// A record whose texts are those of its JSON.
#[derive(Debug, Deserialize, Serialize)]
pub struct User<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub first_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub last_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub gender: Option<Text<'a>>,
    #[serde(borrow)]
    pub address: Option<Text<'a>>,
    #[serde(borrow)]
    pub post_code: Option<&'a RawValue>,
    #[serde(borrow)]
    pub email: Option<Text<'a>>,
    #[serde(borrow)]
    pub username: Option<Text<'a>>,
    #[serde(borrow)]
    pub dob: Option<Text<'a>>,
    #[serde(borrow)]
    pub registered_date: Option<Text<'a>>,
    #[serde(borrow)]
    pub phone: Option<Text<'a>>,
    #[serde(borrow)]
    pub picture: Option<Text<'a>>,
}

/// A row of the table. Texts live as long as the write takes.
pub type Cells = [Option<String>; 10];

impl OwnedUser {
    /// Reads a record, or says that it is none.
    pub fn read(json: &[u8]) -> Result<Self, &'static str> {
        serde_json::from_slice(json).map_err(|_| "not_json")
    }

    pub fn checked(&self) -> Checked<'_> {
        Checked {
            id: self.id.as_deref(),
            email: self.email.as_deref(),
            gender: self.gender.as_deref(),
            registered_date: self.registered_date.as_deref(),
        }
    }

    pub fn cells(self) -> Cells {
        [
            self.first_name,
            self.last_name,
            self.gender,
            self.address,
            self.post_code.as_deref().map(text_of),
            self.email,
            self.username,
            self.registered_date,
            self.phone,
            self.picture,
        ]
    }
}

impl<'a> User<'a> {
    /// Reads a record, or says that it is none. Checking UTF-8 once is cheaper than for each string.
    pub fn read(json: &'a [u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(json).map_err(|_| "not_json")?;
        serde_json::from_str(text).map_err(|_| "not_json")
    }

    pub fn checked(&self) -> Checked<'_> {
        Checked {
            id: self.id.as_ref().map(Text::as_str),
            email: self.email.as_ref().map(Text::as_str),
            gender: self.gender.as_ref().map(Text::as_str),
            registered_date: self.registered_date.as_ref().map(Text::as_str),
        }
    }

    pub fn cells(self) -> Cells {
        let text = |text: Option<Text<'a>>| text.map(|text| text.0.into_owned());
        [
            text(self.first_name),
            text(self.last_name),
            text(self.gender),
            text(self.address),
            self.post_code.map(text_of),
            text(self.email),
            text(self.username),
            text(self.registered_date),
            text(self.phone),
            text(self.picture),
        ]
    }
}

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A string's text, or the JSON of whatever else it is.
fn text_of(value: &RawValue) -> String {
    match serde_json::from_str::<Text<'_>>(value.get()) {
        Ok(text) => text.0.into_owned(),
        Err(_) => value.get().to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn texts_are_borrowed_unless_they_have_escapes() {
        let user = User::read(br#"{"id": "a", "first_name": "L\u00e9a", "post_code": 17, "more": [1]}"#).unwrap();
        assert!(matches!(user.id, Some(Text(Cow::Borrowed("a")))));
        assert_eq!(user.first_name.as_ref().map(Text::as_str), Some("Léa"));
        assert_eq!(user.cells()[4].as_deref(), Some("17"));
    }

    #[test]
    fn both_ways_reject_the_same() {
        for json in ["null", "[]", "{", "", "{\"id\": 1}", "\"x\""] {
            assert!(User::read(json.as_bytes()).is_err(), "{json}");
            assert!(OwnedUser::read(json.as_bytes()).is_err(), "{json}");
        }
        assert_eq!(OwnedUser::read(br#"{"post_code": "K1 \"A"}"#).unwrap().cells()[4].as_deref(), Some("K1 \"A"));
    }
}
