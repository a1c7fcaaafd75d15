//! Makes the flat user record of the demo from one result of the Random User API, keyed by a new id.
//!
//! What comes in are the fifteen fields that it needs; what goes out is compact JSON with twelve, in the notebook's
//! order, UTF-8 as it is. The id is made from the record's seed, so a replay makes the same one.
//! A result that lacks a field is rejected (`missing_field: <pointer>`), one with an array or an object where a text
//! or a number belongs too (`bad_field: <pointer>`). See [`rules`] for what null means.

mod copy;
pub mod rules;

use millstream_sdk::{Batch, Kind, Outcome, Plugin, Record, Setup, TextField, uuid};

use rules::{Fault, Name, Value};

/// The plugin: the fields of a result, each with its pointer.
pub struct FormatUser {
    address: [Source; 5],
    id: Name,
    address_name: Name,
    /// Before and after the address: the new name of each field.
    before: [(Name, Source); 3],
    after: [(Name, Source); 7],
}

#[derive(Clone, Copy)]
struct Source {
    pointer: &'static str,
    field: TextField,
}

impl Plugin for FormatUser {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        setup.want_seeds();
        let mut source = |pointer| Source { pointer, field: setup.text(pointer) };
        Ok(Self {
            id: Name::first("id"),
            address_name: Name::next("address"),
            before: [
                (Name::next("first_name"), source("/name/first")),
                (Name::next("last_name"), source("/name/last")),
                (Name::next("gender"), source("/gender")),
            ],
            address: [
                source("/location/street/number"),
                source("/location/street/name"),
                source("/location/city"),
                source("/location/state"),
                source("/location/country"),
            ],
            after: [
                (Name::next("post_code"), source("/location/postcode")),
                (Name::next("email"), source("/email")),
                (Name::next("username"), source("/login/username")),
                (Name::next("dob"), source("/dob/date")),
                (Name::next("registered_date"), source("/registered/date")),
                (Name::next("phone"), source("/phone")),
                (Name::next("picture"), source("/picture/medium")),
            ],
        })
    }

    fn batch(&mut self, batch: &Batch<'_>) -> Result<Outcome, String> {
        let mut outcome = Outcome::with_capacity(batch.rows());
        let mut user = Vec::new();
        for record in batch.records() {
            let id = uuid::v4(record.seed());
            match self.format(&record, &id, &mut user) {
                Ok(()) => outcome.replace_keyed(id.as_bytes(), &user),
                Err(reason) => outcome.reject(&reason),
            }
        }
        Ok(outcome)
    }
}

impl FormatUser {
    fn format(&self, record: &Record<'_>, id: &str, json: &mut Vec<u8>) -> Result<(), String> {
        let mut user = rules::Object::begin(json);
        user.member(&self.id, Value::Text(id));
        for (name, source) in &self.before {
            user.member(name, source.value(record)?);
        }
        let mut parts = [""; 5];
        for (part, source) in parts.iter_mut().zip(&self.address) {
            *part = rules::address_part(source.value(record)?).map_err(|fault| fault.reason(source.pointer))?;
        }
        user.address(&self.address_name, parts);
        for (name, source) in &self.after {
            user.member(name, source.value(record)?);
        }
        user.finish();
        Ok(())
    }
}

impl Source {
    fn value<'a>(&self, record: &Record<'a>) -> Result<Value<'a>, String> {
        match (record.kind(self.field), record.text(self.field)) {
            (Kind::String, Some(text)) => Ok(Value::Text(text)),
            (Kind::Number | Kind::True | Kind::False, Some(text)) => Ok(Value::Literal(text)),
            (Kind::Null, _) => Ok(Value::Literal("null")),
            (Kind::NotJson, _) => Err("not_json".to_owned()),
            (Kind::NotObject, _) => Err("not_json: root is not an object".to_owned()),
            (Kind::Absent, _) => Err(Fault::Missing.reason(self.pointer)),
            _ => Err(Fault::NotScalar.reason(self.pointer)),
        }
    }
}

millstream_sdk::export!(FormatUser);

#[cfg(test)]
mod tests;
