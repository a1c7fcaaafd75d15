//! The whole plugin, on results of the shape that the API gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use millstream_sdk::{Verdict, testing::Harness};
use serde_json::{Value, json};

use super::FormatUser;

fn result() -> Value {
    json!({
        "gender": "female",
        "name": { "title": "Mrs", "first": "Zoë", "last": "O'Hara \"Zo\"" },
        "location": {
            "street": { "number": 17, "name": "Übergasse" },
            "city": "Åmål", "state": "Västra Götaland", "country": "Sweden", "postcode": 66231,
            "coordinates": { "latitude": "1.5", "longitude": "-2.5" },
            "timezone": { "offset": "+1:00", "description": "Stockholm" }
        },
        "email": "zoe@example.com",
        "login": { "uuid": "00000000-0000-4000-8000-000000000000", "username": "zo17", "password": "secret" },
        "dob": { "date": "1980-02-03T04:05:06.789Z", "age": 45 },
        "registered": { "date": "2010-11-12T13:14:15.161Z", "age": 15 },
        "phone": "0174-1234", "cell": "0174-5678",
        "id": { "name": "", "value": null },
        "picture": { "large": "https://p/l.jpg", "medium": "https://p/m.jpg", "thumbnail": "https://p/t.jpg" },
        "nat": "SE"
    })
}

fn with(pointer: &str, value: Value) -> String {
    let mut result = result();
    *result.pointer_mut(pointer).unwrap() = value;
    result.to_string()
}

fn without(parent: &str, name: &str) -> String {
    let mut result = result();
    result.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    result.to_string()
}

fn run(values: &[String]) -> Vec<Verdict> {
    Harness::<FormatUser>::new("{}").unwrap().run(values).unwrap()
}

/// The only verdict's key and value.
fn user(value: String) -> (String, String) {
    match run(&[value]).pop().unwrap() {
        Verdict::ReplaceKeyed { key, value } => (String::from_utf8(key).unwrap(), String::from_utf8(value).unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_result_becomes_the_notebooks_twelve_fields_in_its_order() {
    let (id, value) = user(result().to_string());
    let expected = [
        &format!("{{\"id\":\"{id}\""),
        r#""first_name":"Zoë""#,
        r#""last_name":"O'Hara \"Zo\"""#,
        r#""gender":"female""#,
        r#""address":"17 Übergasse, Åmål, Västra Götaland, Sweden""#,
        r#""post_code":66231"#,
        r#""email":"zoe@example.com""#,
        r#""username":"zo17""#,
        r#""dob":"1980-02-03T04:05:06.789Z""#,
        r#""registered_date":"2010-11-12T13:14:15.161Z""#,
        r#""phone":"0174-1234""#,
        r#""picture":"https://p/m.jpg"}"#,
    ];
    assert_eq!(value, expected.join(","));
}

#[test]
fn the_key_is_a_v4_uuid_that_a_replay_makes_again() {
    let first = user(result().to_string()).0;
    assert_eq!(millstream_sdk::uuid::parse(first.as_bytes()).unwrap()[6] >> 4, 4);
    assert_eq!(user(result().to_string()).0, first);
    let both = run(&[result().to_string(), result().to_string()]);
    assert_ne!(both[0], both[1]);
}

#[test]
fn the_post_code_keeps_its_type() {
    for (code, written) in [
        (json!(12345), "12345"),
        (json!("I6X 8B8"), "\"I6X 8B8\""),
        (json!("01234"), "\"01234\""),
        (Value::Null, "null"),
        (json!(true), "true"),
    ] {
        let (_, value) = user(with("/location/postcode", code));
        assert!(value.contains(&format!("\"post_code\":{written},\"email\"")), "{value}");
    }
}

#[test]
fn a_result_that_lacks_a_field_is_rejected_with_its_pointer() {
    let fields = [
        ("/name", "first"),
        ("/name", "last"),
        ("", "gender"),
        ("/location/street", "number"),
        ("/location/street", "name"),
        ("/location", "city"),
        ("/location", "state"),
        ("/location", "country"),
        ("/location", "postcode"),
        ("", "email"),
        ("/login", "username"),
        ("/dob", "date"),
        ("/registered", "date"),
        ("", "phone"),
        ("/picture", "medium"),
    ];
    let values = fields.map(|(parent, name)| without(parent, name));
    let expected = fields.map(|(parent, name)| Verdict::Reject(format!("missing_field: {parent}/{name}").into()));
    assert_eq!(run(&values), expected);
}

#[test]
fn null_is_kept_but_not_in_the_address() {
    assert!(user(with("/phone", Value::Null)).1.contains("\"phone\":null,"));
    for part in ["/location/street/number", "/location/street/name", "/location/city", "/location/state"] {
        let expected = Verdict::Reject(format!("missing_field: {part}").into());
        assert_eq!(run(&[with(part, Value::Null)]), [expected]);
    }
}

#[test]
fn what_is_no_result_is_rejected() {
    let values = ["", "[]", "{}"].map(str::to_owned);
    let reasons = ["not_json", "not_json: root is not an object", "missing_field: /name/first"];
    assert_eq!(run(&values), reasons.map(|reason| Verdict::Reject(reason.into())));
    let nested = [with("/email", json!(["a"])), with("/location/city", json!({}))];
    let reasons = ["bad_field: /email", "bad_field: /location/city"];
    assert_eq!(run(&nested), reasons.map(|reason| Verdict::Reject(reason.into())));
}
