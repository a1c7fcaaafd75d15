//! The whole plugin, without a host.

use millstream_sdk::{
    Verdict::{self, Keep, Reject},
    testing::Harness,
};

use super::Validate;

const GOOD: &str =
    r#"{"id": "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6", "email": "ada@example.com", "gender": "female", "post_code": 12}"#;

fn rejected(reason: &'static str) -> Verdict {
    Reject(reason.into())
}

#[test]
fn the_first_broken_rule_is_the_reason() {
    let mut plugin = Harness::<Validate>::new("{}").unwrap();
    let records = [
        GOOD.to_owned(),
        GOOD.replace("12}", "\"SW1A 1AA\"}"),
        GOOD.replace("7d8a", "7d8").replace("ada@", ""),
        GOOD.replace("ada@", "").replace("female", "x"),
        GOOD.replace("female", "x"),
        GOOD.replace("12}", "\"\"}"),
        GOOD.replace("12}", "[]}"),
        "[]".to_owned(),
    ];
    let verdicts = [
        Keep,
        Keep,
        rejected("bad_uuid: id"),
        rejected("bad_email: email"),
        rejected("bad_gender: gender"),
        rejected("bad_post_code: post_code"),
        rejected("wrong_type: post_code"),
        rejected("not_json: root is not an object"),
    ];
    assert_eq!(plugin.run(&records).unwrap(), verdicts);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (config, part) in [(r#"{"genders": []}"#, "every record"), (r#"{"gender": ["x"]}"#, "unknown field `gender`")] {
        let message = Harness::<Validate>::new(config).err().unwrap();
        assert!(message.contains(part), "{message}");
    }
}
