//! `docs/abi.md`: the contract as a page, from `wit/plugin.wit` and the limits that hold here.

use std::{fmt::Write as _, path::Path, time::Duration};

use wit_parser::{Docs, Function, InterfaceId, Resolve, Type, TypeDefKind, TypeId, World, WorldItem, WorldKey};

use super::{Capability, component::ABI, guest, instance};
use crate::{
    config::{defaults as d, show_bytes},
    docs::{assert_page, filled, notice},
    state::FIRST_VERSION,
    transform,
};

const TEMPLATE: &str = include_str!("reference.md");

#[test]
fn the_page_of_the_contract_is_what_the_wit_and_the_limits_say() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let package = &resolve.packages[package];
    assert_eq!(package.name.version.as_ref().unwrap().to_string(), ABI);
    let worlds = package.worlds.values().map(|world| world_section(&resolve, &resolve.worlds[*world]));
    let interfaces = package.interfaces.values().map(|interface| interface_section(&resolve, *interface));
    let page = filled(
        TEMPLATE,
        &[
            ("package", package.name.to_string()),
            ("package-docs", text(&package.docs)),
            ("abi", ABI.to_owned()),
            ("worlds", worlds.collect()),
            ("interfaces", interfaces.collect()),
            ("limits", limits()),
            ("grants", grants()),
            ("circuit", transform::CIRCUIT.to_string()),
            ("first-state-version", FIRST_VERSION.to_string()),
            ("migrate", show_bytes(transform::MAX_MIGRATED_BYTES as u64)),
        ],
    );
    assert_page(
        "abi.md",
        &(notice("`wit/plugin.wit`, `host/src/plugin/reference.md` and the limits in the code") + &page),
    );
}

fn world_section(resolve: &Resolve, world: &World) -> String {
    let mut section = format!("### world `{}`\n\n{}", world.name, paragraph(&world.docs));
    for (verb, items) in [("imports", &world.imports), ("exports", &world.exports)] {
        let names: Vec<String> = items.iter().filter_map(|(key, item)| item_name(resolve, key, item)).collect();
        let _ = writeln!(section, "- {verb} {}", names.join(", "));
    }
    section + "\n"
}

fn item_name(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Option<String> {
    match item {
        WorldItem::Interface { .. } => {
            let name = resolve.name_world_key(key);
            let short = name.split(['/', '@']).nth(1)?.to_owned();
            // An interface without functions only names types, which no component imports as such.
            let WorldKey::Interface(id) = key else { return None };
            (!resolve.interfaces[*id].functions.is_empty()).then(|| format!("[`{short}`](#interface-{short})"))
        }
        _ => None,
    }
}

fn interface_section(resolve: &Resolve, id: InterfaceId) -> String {
    let interface = &resolve.interfaces[id];
    let mut section =
        format!("### interface `{}`\n\n{}", interface.name.as_deref().unwrap_or_default(), paragraph(&interface.docs));
    for (name, ty) in &interface.types {
        section.push_str(&type_section(resolve, name, *ty));
    }
    for (name, function) in &interface.functions {
        let docs = paragraph(&function.docs);
        let _ = write!(section, "#### `{name}`\n\n```wit\n{}\n```\n\n{docs}", signature(resolve, name, function));
    }
    section
}

fn type_section(resolve: &Resolve, name: &str, id: TypeId) -> String {
    let TypeDefKind::Record(record) = &resolve.types[id].kind else { return String::new() };
    let mut section = format!("#### record `{name}`\n\n");
    section.push_str(&paragraph(&resolve.types[id].docs));
    section.push_str("| field | type | |\n|---|---|---|\n");
    for field in &record.fields {
        let meaning = text(&field.docs).replace('\n', " ");
        let _ = writeln!(section, "| `{}` | `{}` | {meaning} |", field.name, type_name(resolve, &field.ty));
    }
    section + "\n"
}

fn signature(resolve: &Resolve, name: &str, function: &Function) -> String {
    let parameter =
        |parameter: &wit_parser::Param| format!("{}: {}", parameter.name, type_name(resolve, &parameter.ty));
    let parameters: Vec<String> = function.params.iter().map(parameter).collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", type_name(resolve, ty)));
    format!("{name}: func({}){}", parameters.join(", "), result.unwrap_or_default())
}

fn type_name(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else { return format!("{ty:?}").to_lowercase() };
    let ty = &resolve.types[*id];
    let of = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), |ty| type_name(resolve, ty));
    match (&ty.name, &ty.kind) {
        (Some(name), _) => name.clone(),
        (None, TypeDefKind::List(item)) => format!("list<{}>", type_name(resolve, item)),
        (None, TypeDefKind::Option(item)) => format!("option<{}>", type_name(resolve, item)),
        (None, TypeDefKind::Result(result)) => format!("result<{}, {}>", of(&result.ok), of(&result.err)),
        (None, other) => panic!("the page cannot show {other:?} yet"),
    }
}

fn text(docs: &Docs) -> String {
    docs.contents.clone().unwrap_or_default().trim().to_owned()
}

fn paragraph(docs: &Docs) -> String {
    let text = text(docs);
    if text.is_empty() { text } else { text + "\n\n" }
}

fn limits() -> String {
    let bytes = |bytes: usize| show_bytes(bytes as u64);
    let time = |time: Duration| humantime::format_duration(time).to_string();
    let range = |least: u64, most: u64| format!("{} to {}", show_bytes(least), show_bytes(most));
    let rows: [(&str, String, &str, String); 17] = [
        (
            "linear memory of an instance",
            bytes(d::STAGE_MEMORY),
            "`memory`",
            range(d::MIN_STAGE_MEMORY, d::MAX_STAGE_MEMORY),
        ),
        (
            "entries of its tables together",
            d::STAGE_TABLE.to_string(),
            "`table`",
            format!("1 to {}", d::MAX_STAGE_TABLE),
        ),
        (
            "time of a call",
            time(d::STAGE_TIMEOUT),
            "`timeout`",
            format!("{} to {}", time(d::MIN_TIME), time(d::MAX_STAGE_TIMEOUT)),
        ),
        (
            "what a call returns: values, keys and reasons",
            bytes(d::STAGE_OUTPUT),
            "`output`",
            range(d::MIN_BYTES, d::MAX_BYTES),
        ),
        ("messages to the log in a second", d::STAGE_LOG.to_string(), "`log`", format!("0 to {}", d::MAX_STAGE_LOG)),
        ("stack of a call", bytes(d::STACK), "`stack` in `[host]`", range(d::MIN_STACK, d::MAX_STACK)),
        (
            "records of a batch",
            d::BATCH_RECORDS.to_string(),
            "`batch_records` of the source",
            format!("1 to {}", d::MAX_BATCH_RECORDS),
        ),
        (
            "bytes of a batch as it is read",
            format!("{}, {} for some sinks", bytes(d::BATCH_BYTES), bytes(d::WAITED_BATCH_BYTES)),
            "`batch_bytes` of the source",
            range(d::MIN_BYTES, d::MAX_BYTES),
        ),
        ("fields that a plugin declares", instance::MAX_FIELDS.to_string(), "", String::new()),
        ("stores that it declares", instance::MAX_STORES.to_string(), "", String::new()),
        ("a key or a value of a store", bytes(guest::MAX_STATE_ITEM), "", "a larger one is a trap".to_owned()),
        ("a message to the log", bytes(guest::MAX_LOG_BYTES), "", "cut beyond that".to_owned()),
        ("the `err` of `process`", bytes(instance::MAX_MESSAGE_BYTES), "", "cut beyond that".to_owned()),
        (
            "bytes of a reason's code, before the colon",
            bytes(crate::state::MAX_REASON_BYTES),
            "",
            "cut beyond that".to_owned(),
        ),
        (
            "codes of reasons that are counted apart",
            crate::state::MAX_CAUSES.to_string(),
            "",
            "further ones are counted as `other`".to_owned(),
        ),
        (
            "failing records in a row until the pipeline pauses",
            transform::CIRCUIT.to_string(),
            "",
            format!("one that ran out of time counts for {}", transform::TIMEOUT_COUNTS),
        ),
        (
            "entries of a stage that are migrated at once",
            bytes(transform::MAX_MIGRATED_BYTES),
            "",
            "a larger state is refused".to_owned(),
        ),
    ];
    let mut table = String::from("| what | limit | set by | |\n|---|---|---|---|\n");
    for (what, limit, setting, more) in rows {
        let _ = writeln!(table, "| {what} | {limit} | {setting} | {more} |");
    }
    table
}

fn grants() -> String {
    let mut table = String::from("| grant | for a plugin that |\n|---|---|\n");
    for capability in Capability::ALL {
        let what = match capability {
            Capability::State => "declares a store, or imports `state`",
            Capability::Random => "sets `wants-seeds`",
            Capability::Clock => "sets `wants-timestamps`",
        };
        let _ = writeln!(table, "| `\"{}\"` | {what} |", capability.word());
    }
    table
}
