//! The whole plugin, with its state in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use millstream_sdk::{
    Verdict::{self, Drop, Keep, Reject},
    testing::Harness,
};

use super::Dedup;

const ID: &str = "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6";
const UUID: &str = r#"{"key":"id","format":"uuid","ttl":"20m"}"#;

fn with_id(id: &str) -> String {
    format!(r#"{{"id":"{id}"}}"#)
}

fn duplicate() -> Verdict {
    Drop("duplicate".into())
}

#[test]
fn the_first_record_wins_within_a_batch_and_across_batches() {
    let mut plugin = Harness::<Dedup>::new(UUID).unwrap();
    let other = ID.replace('7', "8");
    let batch = [with_id(ID), with_id(&other), with_id(ID)];
    assert_eq!(plugin.run(&batch).unwrap(), [Keep, Keep, duplicate()]);
    assert_eq!(plugin.run(&batch).unwrap(), [duplicate(), duplicate(), duplicate()]);
}

#[test]
fn both_cases_of_a_uuid_are_one_id_but_two_texts() {
    let batch = [with_id(ID), with_id(&ID.to_uppercase())];
    assert_eq!(Harness::<Dedup>::new(UUID).unwrap().run(&batch).unwrap(), [Keep, duplicate()]);
    assert_eq!(Harness::<Dedup>::new("{}").unwrap().run(&batch).unwrap(), [Keep, Keep]);
}

#[test]
fn records_without_a_key_are_rejected_and_leave_the_others_alone() {
    let mut plugin = Harness::<Dedup>::new(UUID).unwrap();
    let bad = || Reject("bad_key: id".into());
    let batch = [
        "{}".to_owned(),
        with_id(ID),
        r#"{"id":null}"#.to_owned(),
        with_id("no uuid"),
        with_id(&format!("{ID}\\n")),
        with_id(ID),
        r#"{"id":[1]}"#.to_owned(),
    ];
    assert_eq!(plugin.run(&batch).unwrap(), [bad(), Keep, bad(), bad(), bad(), duplicate(), bad()]);
    let roots = [Reject("not_json".into()), Reject("not_json: root is not an object".into())];
    assert_eq!(plugin.run(&["{", "[]"]).unwrap(), roots);
}

#[test]
fn a_key_of_any_text_may_lie_deeper_and_must_not_be_empty() {
    let mut plugin = Harness::<Dedup>::new(r#"{"key":"/a/b"}"#).unwrap();
    let batch = [r#"{"a":{"b":1}}"#, r#"{"a":{"b":"1"}}"#, r#"{"a":{"b":1.0}}"#, r#"{"a":{"b":""}}"#, r#"{"b":1}"#];
    let bad = || Reject("bad_key: /a/b".into());
    assert_eq!(plugin.run(&batch).unwrap(), [Keep, duplicate(), Keep, bad(), bad()]);
}

#[test]
fn the_store_forgets_after_the_ttl_and_never_without_one() {
    let ttl_ms = |config| Harness::<Dedup>::new(config).unwrap().ttls_ms();
    assert_eq!(ttl_ms(UUID), [20 * 60_000]);
    assert_eq!(ttl_ms(r#"{"ttl":"1h 30m"}"#), [90 * 60_000]);
    assert_eq!(ttl_ms("{}"), [0]);
}

#[test]
fn wrong_settings_are_refused_with_what_to_do() {
    for (config, part) in [
        (r#"{"keys":"id"}"#, "unknown field `keys`, expected one of `key`, `format`, `ttl`"),
        (r#"{"key":""}"#, "a field's name is empty"),
        (r#"{"format":"guid"}"#, "known are `uuid` and `text`"),
        (r#"{"ttl":"soon"}"#, "write for example `20m`"),
        (r#"{"ttl":"0s"}"#, "leave it out"),
        (r#"{"ttl":20}"#, "expected a string"),
    ] {
        let message = Harness::<Dedup>::new(config).err().unwrap_or_else(|| panic!("{config} was accepted"));
        assert!(message.contains(part), "{config}: {message}");
    }
}
