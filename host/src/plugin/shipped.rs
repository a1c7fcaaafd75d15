//! The plugins that come with the product, built and run in the sandbox: what their native tests cannot see is how the
//! vector code and the border behave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    Code, Grants, Instance, Limits, Outcome, Plugin, PluginEngine, StageName, bindings::millstream::plugin::types,
    build::build,
};
use crate::{
    record::{Kind, Slices},
    state::StageState,
};

const ID: &str = "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6";

fn start(name: &str, config: &str) -> Instance {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(name);
    let built = build(&folder, &mut |_| {}).unwrap();
    let engine = PluginEngine::new().unwrap();
    let plugin = Plugin::load(&engine, &built.wasm).unwrap();
    assert_eq!(plugin.sha256(), built.sha256);
    let stage = StageName { pipeline: "p".into(), stage: name.into() };
    let limits = Limits {
        memory: 64 << 20,
        timeout: Duration::from_secs(10),
        output: 16 << 20,
        grants: Grants::named(&["state", "random"]),
        ..Limits::default()
    };
    let (instance, descriptor) =
        Instance::new(&plugin, &stage, config, &limits, Arc::new(Mutex::new(StageState::new()))).unwrap();
    assert_eq!((descriptor.name.as_str(), descriptor.version.as_str()), (name, env!("CARGO_PKG_VERSION")));
    instance
}

/// Calls a plugin that declares `columns.len()` fields, all with text.
fn call(instance: &mut Instance, columns: &[Vec<(Kind, &[u8])>], seeds: Option<&[u64]>) -> Outcome {
    let kinds: Vec<u8> = columns.iter().flatten().map(|(kind, _)| *kind as u8).collect();
    let texts: Vec<Slices> = columns.iter().map(|column| column.iter().map(|(_, text)| *text).collect()).collect();
    let texts: Vec<_> = texts.iter().map(|text| types::SlicesParam { ends: text.ends(), data: text.data() }).collect();
    let batch = types::Batch {
        rows: columns[0].len() as u32,
        kinds: &kinds,
        texts: &texts,
        values: None,
        keys: None,
        timestamps: None,
        seeds,
    };
    instance.process(batch, 0, 0).unwrap()
}

fn strings<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Kind, &'a [u8])> {
    texts.into_iter().map(|text| (Kind::String, text)).collect()
}

/// What the expression `.+@.+\..+` finds, said in the plainest way; U+000A is the only line end here.
fn has_email(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| {
        (1..line.len())
            .any(|at| line[at] == b'@' && (at + 2..line.len().saturating_sub(1)).any(|dot| line[dot] == b'.'))
    })
}

#[test]
fn validates_vector_code_judges_emails_as_the_plain_rule_does() {
    let mut plugin = start("validate", r#"{"required":[],"rules":[{"field":"a","format":"email"}]}"#);
    // all texts of up to six characters that matter, end to end in one column, then the same made longer
    let alphabet = [b'a', b'@', b'.', b'\n'];
    for padding in [0, 24, 58, 70] {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for len in 0..=6_u32 {
            for n in 0..alphabet.len().pow(len) {
                let mut text = vec![b'x'; padding];
                text.extend((0..len).map(|i| alphabet[n / alphabet.len().pow(i) % alphabet.len()]));
                texts.push(text);
            }
        }
        let outcome = call(&mut plugin, &[strings(texts.iter().map(Vec::as_slice))], None);
        for (text, code) in texts.iter().zip(outcome.codes) {
            let expected = if has_email(text) { Code::Keep } else { Code::Reject };
            assert_eq!(code, expected, "{:?}", String::from_utf8_lossy(text));
        }
        assert!(outcome.out.iter().all(|reason| reason == b"bad_email: a"));
    }
}

#[test]
fn validates_vector_code_judges_uuids_and_sets_byte_by_byte() {
    let mut plugin = start("validate", r#"{"required":[],"rules":[{"field":"a","format":"uuid"}]}"#);
    let mut texts = vec![ID.as_bytes().to_vec(), ID.to_uppercase().into_bytes(), [ID.as_bytes(), b"\n"].concat()];
    for place in 0..ID.len() {
        for byte in [b'0', b'9', b'/', b':', b'a', b'f', b'A', b'F', b'@', b'G', b'`', b'g', b'-', 0, 0x80, 0xff] {
            let mut text = ID.as_bytes().to_vec();
            text[place] = byte;
            texts.push(text);
        }
    }
    let outcome = call(&mut plugin, &[strings(texts.iter().map(Vec::as_slice))], None);
    for (text, code) in texts.iter().zip(outcome.codes) {
        let right = |(i, byte): (usize, &u8)| match i {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        let expected = text.len() == 36 && text.iter().enumerate().all(right);
        assert_eq!(code == Code::Keep, expected, "{:?}", String::from_utf8_lossy(text));
    }

    let mut plugin = start("validate", r#"{"required":[],"rules":[{"field":"a","one_of":["male","female"]}]}"#);
    let texts = ["male", "female", "", "mal", "males", "Male", "femalemale", "female", "male"].map(str::as_bytes);
    let outcome = call(&mut plugin, &[strings(texts)], None);
    let kept: Vec<usize> = (0..texts.len()).filter(|i| outcome.codes[*i] == Code::Keep).collect();
    assert_eq!(kept, [0, 1, 7, 8]);
}

#[test]
fn dedup_keeps_what_it_has_seen_in_the_hosts_store() {
    let mut plugin = start("dedup", r#"{"key":"id","format":"uuid","ttl":"20m"}"#);
    let upper = ID.to_uppercase();
    let column = vec![
        (Kind::String, ID.as_bytes()),
        (Kind::Absent, &b""[..]),
        (Kind::String, upper.as_bytes()),
        (Kind::NotJson, &b""[..]),
    ];
    let outcome = call(&mut plugin, std::slice::from_ref(&column), None);
    assert_eq!(outcome.codes, [Code::Keep, Code::Reject, Code::Drop, Code::Reject]);
    let reasons: Vec<_> = outcome.out.iter().collect();
    assert_eq!(reasons, [&b"bad_key: id"[..], b"duplicate", b"not_json"]);
    assert_eq!(call(&mut plugin, &[column], None).codes[0], Code::Drop);
}

#[test]
fn dedup_tells_ids_apart_that_differ_in_one_digit() {
    let mut plugin = start("dedup", r#"{"format":"uuid"}"#);
    let mut ids = vec![ID.to_owned()];
    for (place, old) in ID.char_indices().filter(|(_, c)| *c != '-') {
        let others = "0123456789abcdef".chars().filter(|new| *new != old);
        ids.extend(others.map(|new| format!("{}{new}{}", &ID[..place], &ID[place + 1..])));
    }
    let column = strings(ids.iter().map(String::as_bytes));
    assert_eq!(ids.len(), 1 + 32 * 15);
    assert!(call(&mut plugin, std::slice::from_ref(&column), None).keeps_all());
    assert!(call(&mut plugin, &[column], None).codes.iter().all(|code| *code == Code::Drop));
}

#[test]
fn format_user_gives_each_record_a_new_value_and_key() {
    let mut plugin = start("format-user", "{}");
    let texts = ["Zoë", "O'Hara", "female", "17", "Übergasse", "Åmål", "Västra", "Sweden", "66231", "z@e.com"];
    let texts = texts.into_iter().chain(["zo17", "1980", "2010", "0174", "https://p/m.jpg"]);
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() != 4;
    let kind = |text: &str| if number(text) { Kind::Number } else { Kind::String };
    let columns: Vec<_> = texts.map(|text| vec![(kind(text), text.as_bytes())]).collect();
    let outcome = call(&mut plugin, &columns, Some(&[u64::MAX, 0]));
    let id = "ffffffff-ffff-4fff-8000-000000000000";
    assert_eq!(outcome.codes, [Code::Replace]);
    assert_eq!(outcome.out_keys.unwrap().get(0), id.as_bytes());
    let expected = r#"{"id":"ID","first_name":"Zoë","last_name":"O'Hara","gender":"female","address":"17 Übergasse, Åmål, Västra, Sweden","post_code":66231,"email":"z@e.com","username":"zo17","dob":"1980","registered_date":"2010","phone":"0174","picture":"https://p/m.jpg"}"#;
    assert_eq!(String::from_utf8_lossy(outcome.out.get(0)), expected.replace("ID", id));
}
