//! Takes the declared fields out of records, as the host does, only slower: parses a record once per field.

use std::collections::HashMap;

use serde_json::{Value, value::RawValue};

use super::Input;
use crate::{Kind, Slices, bindings, bindings::Field};

pub(super) fn batch(descriptor: &bindings::Descriptor, inputs: &[Input<'_>]) -> bindings::Batch {
    let mut kinds = Vec::new();
    let mut texts = Vec::new();
    for field in &descriptor.fields {
        let mut column = Slices::default();
        for input in inputs {
            let (kind, text) = look_up(input.value, field);
            kinds.push(kind as u8);
            column.push(text.as_bytes());
        }
        if field.text {
            texts.push(column);
        }
    }
    let slices = |item: fn(&Input<'_>) -> Vec<u8>| {
        let mut slices = Slices::default();
        inputs.iter().for_each(|input| slices.push(&item(input)));
        slices
    };
    bindings::Batch {
        rows: inputs.len() as u32,
        kinds,
        texts,
        values: descriptor.wants_values.then(|| slices(|input| input.value.to_vec())),
        keys: descriptor.wants_keys.then(|| slices(|input| input.key.to_vec())),
        timestamps: descriptor
            .wants_timestamps
            .then(|| inputs.iter().map(|input| input.timestamp_ms.unwrap_or(-1)).collect()),
        seeds: descriptor.wants_seeds.then(|| inputs.iter().flat_map(|input| input.seed).collect()),
    }
}

fn look_up(value: &[u8], field: &Field) -> (Kind, String) {
    match serde_json::from_slice::<Value>(value) {
        Err(_) => (Kind::NotJson, String::new()),
        Ok(Value::Object(_)) => {
            let text = str::from_utf8(value).unwrap_or_default();
            let names = field.pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
            read(text, &names.collect::<Vec<_>>())
        }
        Ok(_) => (Kind::NotObject, String::new()),
    }
}

/// The raw text is walked, not the parsed value: that would show numbers otherwise than they are written.
fn read(json: &str, names: &[String]) -> (Kind, String) {
    let json = json.trim();
    if let Some((name, rest)) = names.split_first() {
        let inner = if json.starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
            let canonical = name == "0" || !name.starts_with(['0', '+']);
            name.parse::<usize>().ok().filter(|_| canonical).and_then(|i| items.get(i).copied())
        } else {
            let members: HashMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
            members.get(name).copied()
        };
        return inner.map_or((Kind::Absent, String::new()), |inner| read(inner.get(), rest));
    }
    match json.as_bytes().first() {
        Some(b'n') => (Kind::Null, String::new()),
        Some(b't') => (Kind::True, String::new()),
        Some(b'f') => (Kind::False, String::new()),
        Some(b'[') => (Kind::Array, String::new()),
        Some(b'{') => (Kind::Object, String::new()),
        Some(b'"') => (Kind::String, serde_json::from_str(json).unwrap_or_default()),
        _ => (Kind::Number, json.to_owned()),
    }
}
