//! The whole plugin, without a host.

use millstream_sdk::{
    Verdict::{Reject, ReplaceKeyed},
    testing::Harness,
};

use super::Map;

#[test]
fn a_user_becomes_a_contact() {
    let mut plugin = Harness::<Map>::new(r#"{"source": "crm"}"#).unwrap();
    let records = [
        r#"{"id": "u1", "first_name": "Zoë", "last_name": "O'Hara", "email": "zoe@example.com", "phone": "1"}"#,
        r#"{"id": "u1", "first_name": "Zoë", "last_name": "O'Hara", "email": "zoe"}"#,
        r#"{"id": 1}"#,
    ];
    let contact = r#"{"id":"u1","name":"Zoë O'Hara","domain":"example.com","source":"crm"}"#;
    let verdicts = [
        ReplaceKeyed { key: b"u1".to_vec(), value: contact.into() },
        Reject("bad_email: email".into()),
        Reject("wrong_type: id".into()),
    ];
    assert_eq!(plugin.run(&records).unwrap(), verdicts);
}

#[test]
fn it_asks_for_four_fields_and_refuses_a_misspelt_setting() {
    let plugin = Harness::<Map>::new("{}").unwrap();
    assert_eq!(plugin.pointers(), ["/id", "/first_name", "/last_name", "/email"]);
    let message = Harness::<Map>::new(r#"{"sauce": "crm"}"#).err().unwrap();
    assert!(message.contains("unknown field `sauce`"), "{message}");
}
