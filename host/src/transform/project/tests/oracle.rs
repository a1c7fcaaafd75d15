//! What `serde_json` says of a record: `Value` for acceptance, kinds and strings, `RawValue` for texts as written.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::pointer;
use crate::record::{Column, Field, Kind, Want};

/// One field of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub kind: Kind,
    pub text: Vec<u8>,
}

impl Cell {
    /// The cell of a column at `row`.
    pub fn of(want: Want, column: &Column, row: usize) -> Self {
        let text = if want == Want::Kind { Vec::new() } else { column.texts.get(row).to_vec() };
        Self { kind: Kind::from_u8(column.kinds[row]).unwrap(), text }
    }
}

/// The row that a record must give.
pub fn row(fields: &[Field], record: &[u8]) -> Vec<Cell> {
    let all = |kind| fields.iter().map(|_| Cell { kind, text: Vec::new() }).collect();
    match serde_json::from_slice::<Value>(record) {
        Err(_) => all(Kind::NotJson),
        Ok(root) if !root.is_object() => all(Kind::NotObject),
        Ok(root) => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_slice(record).unwrap();
            fields.iter().map(|field| cell(field, &root, &members)).collect()
        }
    }
}

fn cell(field: &Field, root: &Value, members: &BTreeMap<String, &RawValue>) -> Cell {
    let Some(value) = root.pointer(&field.pointer) else {
        return Cell { kind: Kind::Absent, text: Vec::new() };
    };
    let written = || {
        let tokens = pointer::tokens(&field.pointer).unwrap();
        let raw = tokens[1..].iter().fold(members[&tokens[0]], |raw, token| below(raw, token));
        raw.get().as_bytes().to_vec()
    };
    let raw = || if field.want == Want::Raw { written() } else { Vec::new() };
    let (kind, text) = match value {
        Value::Null => (Kind::Null, Vec::new()),
        Value::String(text) => (Kind::String, text.clone().into_bytes()),
        Value::Number(_) => (Kind::Number, written()),
        Value::Bool(true) => (Kind::True, raw()),
        Value::Bool(false) => (Kind::False, raw()),
        Value::Array(_) => (Kind::Array, raw()),
        Value::Object(_) => (Kind::Object, raw()),
    };
    Cell { kind, text: if field.want == Want::Kind { Vec::new() } else { text } }
}

fn below<'a>(raw: &'a RawValue, token: &str) -> &'a RawValue {
    if raw.get().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap();
        elements[token.parse::<usize>().unwrap()]
    } else {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).unwrap();
        members[token]
    }
}
