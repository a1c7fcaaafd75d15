//! The JSON Schema of `pipeline.toml`, made from the table of settings: editors complete and check a file by it.
//!
//! It accepts every file that the parser accepts. What takes more than one look (names that repeat, loops, the inside of
//! an address) is for `millstream check`. A text may hold a variable (`${NAME}`) in place of anything.

use serde_json::{Map, Value, json};

use super::{
    defaults as d,
    setting::{Default, Place, Setting, Type},
    settings::SETTINGS,
    url::{Role, kinds, schemes},
};

/// Anywhere in a text: whatever it stands for is not known here.
const VARIABLE: &str = r"\$\{";

/// The schema.
pub fn schema() -> Value {
    let mut places = Map::new();
    for (name, place) in PLACES {
        places.insert((*name).to_owned(), table(*place));
    }
    let Value::Object(mut root) = table(Place::File) else { return Value::Null };
    root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".to_owned(), json!("Millstream: pipeline.toml"));
    root.insert("$defs".to_owned(), Value::Object(places));
    Value::Object(root)
}

/// The tables of the file, by the setting that holds them.
const PLACES: &[(&str, Place)] = &[
    ("host", Place::Host),
    ("pipeline", Place::Pipeline),
    ("source", Place::Source),
    ("stage", Place::Stage),
    ("sink", Place::Sink),
    ("create", Place::Create),
    ("state", Place::State),
    ("probation", Place::Probation),
    ("test", Place::Test),
    ("record", Place::TestRecord),
];

/// One table with its settings.
fn table(place: Place) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| setting.place == place) {
        properties.insert(setting.name.to_owned(), property(setting));
        if matches!(setting.default, Default::Required) {
            required.push(setting.name);
        }
    }
    let mut table = Map::new();
    table.insert("type".to_owned(), json!("object"));
    table.insert("additionalProperties".to_owned(), json!(false));
    table.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        table.insert("required".to_owned(), json!(required));
    }
    let by_kind = by_kind(place);
    if !by_kind.is_empty() {
        table.insert("allOf".to_owned(), Value::Array(by_kind));
    }
    Value::Object(table)
}

/// For each kind of source or sink: the settings that only others have.
fn by_kind(place: Place) -> Vec<Value> {
    let Some(role) = role(place) else { return Vec::new() };
    let of_others = |kind: &str| -> Map<String, Value> {
        let other = |setting: &&Setting| setting.place == place && !setting.is_for(Some(kind));
        SETTINGS.iter().filter(other).map(|setting| (setting.name.to_owned(), json!(false))).collect()
    };
    let rule = |(kind, schemes): (&'static str, Vec<&'static str>)| {
        let excluded = of_others(kind);
        let pattern = format!("^({}):", schemes.join("|"));
        (!excluded.is_empty()).then(|| {
            json!({
                "if": { "properties": { "url": { "pattern": pattern } }, "required": ["url"] },
                "then": { "properties": excluded },
            })
        })
    };
    kinds(role).into_iter().filter_map(rule).collect()
}

fn role(place: Place) -> Option<Role> {
    match place {
        Place::Source => Some(Role::Source),
        Place::Sink => Some(Role::Sink),
        Place::State => Some(Role::State),
        _ => None,
    }
}

fn property(setting: &Setting) -> Value {
    let mut property = match &setting.kind_of_value {
        Type::Name => {
            json!({ "type": "string", "pattern": or_variable(&format!("^[A-Za-z0-9_-]{{1,{}}}$", d::MAX_NAME_CHARS)) })
        }
        Type::Url => {
            let schemes = role(setting.place).map(schemes).unwrap_or_default();
            json!({ "type": "string", "pattern": or_variable(&format!("^({}):", schemes.join("|"))) })
        }
        Type::Path | Type::Text => json!({ "type": "string" }),
        Type::Flag => json!({ "anyOf": [{ "type": "boolean" }, variable()] }),
        Type::Time(..) => json!({ "type": "string", "pattern": or_variable(r"^\s*(0|([0-9]+\s*[a-zA-Zµ]+\s*)+)\s*$") }),
        Type::Bytes(least, most) => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "type": "string", "pattern": or_variable(r"^\s*[0-9]+\s*([kKmMgG][iI]?)?[bB]?\s*$") },
        ] }),
        Type::Count(_, least, most) => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            variable(),
        ] }),
        Type::OneOf(words) => json!({ "anyOf": [{ "enum": words }, variable()] }),
        Type::AnyOf(words) => json!({ "type": "array", "items": { "anyOf": [{ "enum": words }, variable()] } }),
        Type::Texts => json!({
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        }),
        Type::Anything => json!({ "type": "object" }),
        Type::Value => json!({ "type": ["string", "object"] }),
        Type::Values => json!({ "anyOf": [
            { "type": ["string", "object"] },
            { "type": "array", "items": { "type": ["string", "object"] } },
        ] }),
        Type::Table => json!({ "$ref": reference(setting) }),
        Type::Tables => {
            let least = usize::from(matches!(setting.default, Default::Required));
            json!({ "type": "array", "items": { "$ref": reference(setting) }, "minItems": least })
        }
    };
    if let Some(property) = property.as_object_mut() {
        let default = match &setting.default {
            Default::Required | Default::Words(_) => String::new(),
            default => format!(" (default: {default})"),
        };
        let of = if setting.kinds.is_empty() { String::new() } else { format!("[{}] ", setting.kinds.join(", ")) };
        property.insert("description".to_owned(), json!(format!("{of}{}{default}", setting.meaning)));
    }
    property
}

/// The dead letters' sink is a sink.
fn reference(setting: &Setting) -> String {
    let table = if setting.name == "dead_letters" { "sink" } else { setting.name };
    format!("#/$defs/{table}")
}

fn variable() -> Value {
    json!({ "type": "string", "pattern": VARIABLE })
}

fn or_variable(pattern: &str) -> String {
    format!("{pattern}|{VARIABLE}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::tests::golden_cases;

    /// Codes of what can be seen without knowing what a setting is for.
    const SEEN: [&str; 6] =
        ["unknown-setting", "misplaced-setting", "missing-setting", "wrong-type", "unknown-scheme", "wrong-scheme"];

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
    }

    /// What an independent validator says; it checks the schema by its own metaschema first.
    fn faults(text: &str) -> Vec<String> {
        let file: Value = toml::from_str(text).unwrap();
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource("pipeline.schema.json", schema()).unwrap();
        let compiled =
            compiler.compile("pipeline.schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        schemas.validate(&file, compiled).err().map(|error| format!("{error:#}")).into_iter().collect()
    }

    #[test]
    fn every_table_of_the_settings_is_defined() {
        let schema = schema();
        for setting in SETTINGS.iter().filter(|setting| matches!(setting.kind_of_value, Type::Table | Type::Tables)) {
            let name = reference(setting);
            assert!(schema.pointer(name.trim_start_matches('#')).is_some(), "{name}");
        }
        for place in SETTINGS.iter().map(|setting| setting.place) {
            assert!(place == Place::File || PLACES.iter().any(|(_, of)| *of == place), "{place:?}");
        }
    }

    #[test]
    fn the_configurations_that_are_shipped_are_valid() {
        let mut files = vec![root().join("pipeline.toml"), root().join("deploy/compose/pipeline.toml")];
        let cases = std::fs::read_dir(root().join("tests/tests/golden")).unwrap();
        files.extend(cases.map(|case| case.unwrap().path().join("pipeline.toml")));
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            assert_eq!(faults(&text), [""; 0], "{}", file.display());
        }
    }

    #[test]
    fn what_the_parser_refuses_at_first_sight_is_refused_and_what_it_takes_is_taken() {
        let (mut refused, mut taken) = (0, 0);
        for (name, found) in golden_cases() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/config/golden/{name}.toml"));
            let text = std::fs::read_to_string(path).unwrap();
            if toml::from_str::<Value>(&text).is_err() {
                continue; // an editor says so before any schema
            }
            let said = faults(&text);
            if found.iter().any(|fault| SEEN.contains(&fault.code)) {
                assert!(!said.is_empty(), "{name} has faults that a schema can see:\n{found}");
                refused += 1;
            }
            if found.iter().all(|fault| fault.severity == crate::config::Severity::Warning) {
                assert_eq!(said, [""; 0], "{name} is right");
                taken += 1;
            }
        }
        assert!(refused >= 8 && taken >= 1, "{refused} {taken}");
    }
}
