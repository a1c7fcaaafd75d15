//! Comparison with `serde_json`, one state for all records of a run.
//!
//! `MILLSTREAM_HOSTILE_RECORDS=2000000 cargo test -p millstream --lib hostile` looks longer.

use proptest::prelude::*;

use super::generate::{self, Random};
use super::*;

fn fields() -> Vec<Field> {
    [
        ("/id", Want::Text),
        ("/a", Want::Raw),
        ("/a/b", Want::Text),
        ("/a/b/c", Want::Raw),
        ("/a/0", Want::Text),
        ("/a/1/x", Want::Raw),
        ("/b", Want::Kind),
        ("/b", Want::Text),
        ("/c/0/1/b", Want::Text),
        ("/a~1b", Want::Text),
        ("/m~0n/a", Want::Raw),
        ("/", Want::Raw),
        ("/é", Want::Text),
        ("/deep/deep/deep", Want::Raw),
        ("/a/01", Want::Text),
        ("/x/-", Want::Raw),
        ("/registered_date_of_this_user_account", Want::Text),
    ]
    .map(|(pointer, want)| field(pointer, want))
    .to_vec()
}

#[test]
fn agrees_with_serde_json_on_generated_and_damaged_documents() {
    let records: usize = std::env::var("MILLSTREAM_HOSTILE_RECORDS").map_or(100_000, |n| n.parse().unwrap());
    let mut both = Both::new(&fields());
    let mut random = Random(20_260_101);
    let (mut sound, mut record) = (Vec::new(), Vec::new());
    let (mut accepted, mut found) = (0, 0);
    for _ in 0..records {
        // Records like the one before are what the learned order of keys is for, and what it could be fooled by.
        if random.one_in(4) {
            sound.clear();
            generate::document(&mut random, &mut sound);
        }
        record.clone_from(&sound);
        if !random.one_in(3) {
            generate::mutate(&mut random, &mut record);
        }
        let row = both.check(&record);
        accepted += usize::from(row[0].kind != Kind::NotJson);
        found += row.iter().filter(|cell| !matches!(cell.kind, Kind::Absent | Kind::NotJson | Kind::NotObject)).count();
    }
    // The run says something only if it saw both, and fields in them.
    assert!(accepted > records / 4 && accepted < records * 3 / 4, "{accepted} of {records} accepted");
    assert!(found > accepted / 2, "{found} fields found in {accepted} documents");
}

/// A shape that was learned is tried on documents that differ from it by one byte, anywhere.
#[test]
fn agrees_with_serde_json_on_every_byte_of_a_known_shape() {
    let mut both = Both::new(&fields());
    for sound in [
        r#"{"id":"x","a":{"b":{"c":[1,{"x":null}]}, "0":-1.5e3},"zz":{ },"b" : true,"a/b":"\u00e9\n","":""}"#,
        r#"{"a":[{"x":1},{"x":[]}],"registered_date_of_this_user_account":"2020","id":1,"id":{"id":2}, "é":"é"}"#,
        r#" { "a" : { } , "a" : 7 , "c":[[0,{"b":"y"}]], "x":{"-":false},"m~n":{"a":[ ]},"deep":{"deep":{"deep":0}}} "#,
    ] {
        for at in 0..sound.len() {
            for byte in *b"\"\\{}[],: 0a\n" {
                let mut record = sound.as_bytes().to_vec();
                record[at] = byte;
                both.check(sound.as_bytes());
                both.check(&record);
                record.insert(at, byte);
                both.check(&record);
                record.drain(at..at + 2);
                both.check(&record);
            }
        }
    }
}

#[test]
fn agrees_with_serde_json_on_numbers() {
    let mut both = Both::new(&[field("/n", Want::Text), field("/m", Want::Kind)]);
    let mut random = Random(7);
    for _ in 0..20_000 {
        let mut number = String::new();
        let long = random.one_in(8);
        for _ in 0..1 + random.below(if long { 330 } else { 25 }) {
            number.push(random.pick(b"00123456789") as char);
        }
        if random.one_in(2) {
            number.insert(random.below(number.len() + 1), '.');
        }
        if random.one_in(2) {
            let near_the_limit = random.below(700) as i64 - 350;
            let exponent = random.pick(&[near_the_limit, 308 - number.len() as i64, 99, 100, 1 << 40, -(1 << 40)]);
            let sign = if exponent >= 0 && random.one_in(2) { "+" } else { "" };
            number.push_str(&format!("{}{sign}{exponent}", random.pick(&["e", "E"])));
        }
        if random.one_in(3) {
            number.insert(0, '-');
        }
        both.check(format!("{{\"m\":{number} ,\"n\":{number}}}").as_bytes());
        both.check(number.as_bytes());
    }
}

/// A token of a document; the learned gaps are among them.
fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\"a\":",
        ",\"a\":",
        ",\"b\": ",
        "\"b\" :",
        ", \"0\": ",
        "\"id\":",
        "1",
        "-0.5",
        "\"x\"",
        "\"\\n\"",
        "null",
        "true",
        "{\"a\":",
        "{\"a\":{\"b\":",
        "}}",
        "{}",
        "[]",
        "\"\\u0061\":",
        "\"",
        "\\",
        "é",
    ])
}

/// A document that is often well-formed: members in braces.
fn soup() -> impl Strategy<Value = String> {
    let member = (prop::sample::select(vec!["\"a\":", "\"b\": ", "\"id\":", "\"\\u0061\" :", "\"c\":"]), value());
    let members = prop::collection::vec(member.prop_map(|(key, value)| format!("{key}{value}")), 0..5);
    let sound = (members, prop::sample::select(vec![",", ", ", " ,\n"]));
    prop_oneof![
        3 => sound.prop_map(|(members, comma)| format!("{{{}}}", members.join(comma))),
        1 => prop::collection::vec(token(), 0..20).prop_map(|tokens| tokens.concat()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["1", "\"x\"", "\"\\u00e9\"", "null", "false", "[]", "{}", "01", "\"", "1e400"]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 16, 4, |inner| {
        let key = prop::sample::select(vec!["a", "b", "c", "0", "1", "x"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_sequence_of_records_disagrees_with_serde_json(records in prop::collection::vec(soup(), 1..6)) {
        let mut both = Both::new(&fields());
        for record in &records {
            both.check(record.as_bytes());
        }
    }
}
