//! The whole plugin, without a host.

use millstream_sdk::{
    Verdict::{Drop, Keep, Reject},
    testing::Harness,
};

use super::Filter;

#[test]
fn users_are_kept_by_date_and_domain() {
    let mut plugin = Harness::<Filter>::new(r#"{"since": "2010", "block": ["spam.example"]}"#).unwrap();
    let records = [
        r#"{"registered_date": "2019-03-08", "email": "ada@example.com"}"#,
        r#"{"registered_date": "2009-03-08", "email": "ada@example.com"}"#,
        r#"{"registered_date": "2019-03-08", "email": "eve@spam.example"}"#,
        r#"{"email": "ada@example.com"}"#,
    ];
    let verdicts =
        [Keep, Drop("too_old".into()), Drop("blocked".into()), Reject("missing_field: registered_date".into())];
    assert_eq!(plugin.run(&records).unwrap(), verdicts);
}

#[test]
fn it_asks_for_two_fields_and_refuses_a_misspelt_setting() {
    let plugin = Harness::<Filter>::new("{}").unwrap();
    assert_eq!(plugin.pointers(), ["/registered_date", "/email"]);
    let message = Harness::<Filter>::new(r#"{"sinse": "2010"}"#).err().unwrap();
    assert!(message.contains("unknown field `sinse`"), "{message}");
}
