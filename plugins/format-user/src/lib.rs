//! Makes the flat user record of the demo from one result of the Random User API, keyed by a new id.
//!
//! What comes in are the fifteen fields that it needs; what goes out is compact JSON with twelve, in the notebook's
//! order, UTF-8 as it is. The id is made from the record's seed, so a replay makes the same one.
//! A result that lacks a field is rejected (`missing_field: <pointer>`), one with an array or an object where a text
//! or a number belongs too (`bad_field: <pointer>`). See [`rules`] for what null means.

pub mod rules;

use millstream_sdk::{
    Batch, Cell, Column, Kind, Outcome, Plugin, Setup, TextField,
    json::{Name, Object},
    uuid,
};

use rules::Fault;

const FIELDS: usize = 15;
/// The fields of the result that the address is made of, and what stands before each.
const ADDRESS: std::ops::Range<usize> = 3..8;
const BEFORE: [&str; 5] = ["", " ", ", ", ", ", ", "];

/// What is taken from a result, in the order of the record: where it stands, and its new name.
const SOURCES: [(&str, &str); FIELDS] = [
    ("/name/first", "first_name"),
    ("/name/last", "last_name"),
    ("/gender", "gender"),
    ("/location/street/number", "address"),
    ("/location/street/name", "address"),
    ("/location/city", "address"),
    ("/location/state", "address"),
    ("/location/country", "address"),
    ("/location/postcode", "post_code"),
    ("/email", "email"),
    ("/login/username", "username"),
    ("/dob/date", "dob"),
    ("/registered/date", "registered_date"),
    ("/phone", "phone"),
    ("/picture/medium", "picture"),
];

/// The plugin: the fields of a result and the names of those of the record.
pub struct FormatUser {
    fields: [TextField; FIELDS],
    id: Name,
    names: [Name; FIELDS],
}

impl Plugin for FormatUser {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        setup.want_seeds();
        Ok(Self {
            fields: SOURCES.map(|(pointer, _)| setup.text(pointer)),
            id: Name::first("id"),
            names: SOURCES.map(|(_, name)| Name::next(name)),
        })
    }

    fn batch(&mut self, batch: &Batch<'_>) -> Result<Outcome, String> {
        /// What a record has beside the texts: names, quotes, commas and the id.
        const AROUND: usize = 256;
        let columns = self.fields.map(|field| batch.column(field));
        let texts: usize = columns.iter().map(Column::bytes).sum();
        let mut outcome = Outcome::with_room(batch.rows(), texts + batch.rows() * AROUND, batch.rows() * 36);
        for record in batch.records() {
            let id = uuid::v4(record.seed());
            let cells = columns.map(|column| column.cell(record.row() as usize));
            if let Err(reason) = outcome.try_replace_keyed(&id, |json| self.format(&cells, &id, json)) {
                outcome.reject(&reason);
            }
        }
        Ok(outcome)
    }
}

impl FormatUser {
    fn format(&self, cells: &[Cell<'_>; FIELDS], id: &[u8], json: &mut Vec<u8>) -> Result<(), String> {
        let mut user = Object::begin(json);
        user.text(&self.id, Cell::new(Kind::String, id));
        for (place, (cell, name)) in cells.iter().zip(&self.names).enumerate() {
            if place == ADDRESS.start {
                let mut parts = [("", Cell::new(Kind::String, b"")); BEFORE.len()];
                let sources = cells.iter().zip(&SOURCES).skip(ADDRESS.start);
                for ((part, before), (cell, (pointer, _))) in parts.iter_mut().zip(BEFORE).zip(sources) {
                    *part = (before, rules::address_part(*cell).map_err(|fault| fault.reason(pointer))?);
                }
                user.joined(name, parts);
            } else if !ADDRESS.contains(&place) {
                match cell.kind() {
                    Kind::String => user.text(name, *cell),
                    Kind::Number | Kind::True | Kind::False | Kind::Null => user.literal(name, *cell),
                    other => return Err(fault_at(place, other)),
                }
            }
        }
        user.finish();
        Ok(())
    }
}

/// The reason for which a result is rejected that has such a thing in place of a scalar.
#[cold]
fn fault_at(place: usize, kind: Kind) -> String {
    let pointer = SOURCES.get(place).map_or("", |(pointer, _)| pointer);
    Fault::of(kind).reason(pointer)
}

millstream_sdk::export!(FormatUser);

#[cfg(test)]
mod tests;
