//! The whole plugin: the notebook's semantics line by line, the order of reasons, and refused settings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use millstream_sdk::{Verdict, testing::Harness};

use super::Validate;

const ID: &str = "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6";

/// What becomes of each value: empty where it is kept, else the reason.
fn reasons<V: AsRef<[u8]>>(config: &str, values: &[V]) -> Vec<String> {
    let verdicts = Harness::<Validate>::new(config).unwrap().run(values).unwrap();
    let reason = |verdict| match verdict {
        Verdict::Keep => String::new(),
        Verdict::Reject(reason) => reason.into_owned(),
        other => panic!("{other:?}"),
    };
    verdicts.into_iter().map(reason).collect()
}

fn refused(config: &str) -> String {
    Harness::<Validate>::new(config).err().unwrap_or_else(|| panic!("{config} was accepted"))
}

/// A valid user with some members put in place of, or beside, its own.
fn user(members: &str) -> String {
    format!(
        r#"{{"id":"{ID}","email":"a@b.c","registered_date":"2020-01-01T00:00:00Z","gender":"male","x":0{members}}}"#
    )
}

#[test]
fn the_notebooks_semantics_hold_line_by_line() {
    let upper = ID.to_uppercase();
    let table: Vec<(Vec<u8>, &str)> = vec![
        (user("").into(), ""),
        // eight of the eleven columns may be null or missing; `dob` is ignored
        (user(r#","first_name":null,"phone":null,"dob":7"#).into(), ""),
        (user(r#","post_code":12345"#).into(), ""),
        (user(r#","post_code":{"a":[1]}"#).into(), ""),
        // missing or null id, email, registered_date
        (user(r#","id":null"#).into(), "missing_field: id"),
        (user(r#","email":null"#).into(), "missing_field: email"),
        (user(r#","registered_date":null"#).into(), "missing_field: registered_date"),
        (b"{}".into(), "missing_field: id"),
        // email
        (user(r#","email":"x a@b.c y""#).into(), ""),
        (user(r#","email":"a at b.c""#).into(), "bad_email: email"),
        (user(r#","email":"a@localhost""#).into(), "bad_email: email"),
        (user(r#","email":"@example.com""#).into(), "bad_email: email"),
        (user(r#","email":"""#).into(), "bad_email: email"),
        (user(r#","email":"a\n@b.c""#).into(), "bad_email: email"),
        (user(r#","email":"a@\u2028.c""#).into(), "bad_email: email"),
        (user(r#","email":["a@b.c"]"#).into(), "bad_email: email"),
        (user(r#","email":{"a@b.c":1}"#).into(), "bad_email: email"),
        (user(r#","email":true"#).into(), "bad_email: email"),
        (user(r#","email":1.5"#).into(), "bad_email: email"),
        // gender, exactly; null is not one of them
        (user(r#","gender":"female""#).into(), ""),
        (user(r#","gender":"Male""#).into(), "bad_gender: gender"),
        (user(r#","gender":"""#).into(), "bad_gender: gender"),
        (user(r#","gender":null"#).into(), "bad_gender: gender"),
        (user(r#","gender":["male"]"#).into(), "bad_gender: gender"),
        // id: both cases, nothing around it, in particular no trailing line end
        (user(&format!(r#","id":"{upper}""#)).into(), ""),
        (user(&format!(r#","id":"{ID}\n""#)).into(), "bad_uuid: id"),
        (user(&format!(r#","id":"\n{ID}""#)).into(), "bad_uuid: id"),
        (user(&format!(r#","id":"{ID}0""#)).into(), "bad_uuid: id"),
        (user(&format!(r#","id":"{}""#, ID.replace('-', ""))).into(), "bad_uuid: id"),
        (user(&format!(r#","id":"g{}""#, &ID[1..])).into(), "bad_uuid: id"),
        (user(r#","id":"""#).into(), "bad_uuid: id"),
        (user(r#","id":17"#).into(), "bad_uuid: id"),
        // the last of two members with one name counts
        (user(&format!(r#","id":"no","id":"{ID}""#)).into(), ""),
        // not JSON, a root that is not an object, trailing garbage, invalid UTF-8, NUL
        (b"".into(), "not_json"),
        (b"hello".into(), "not_json"),
        (user("").as_bytes()[..40].into(), "not_json"),
        ([user("").as_bytes(), b"x"].concat(), "not_json"),
        ([user("").as_bytes(), b"\0"].concat(), "not_json"),
        ([&b"{\"a\":\"\xff\","[..], &user("").as_bytes()[1..]].concat(), "not_json"),
        (b"null".into(), "not_json: root is not an object"),
        (b"[]".into(), "not_json: root is not an object"),
        (b"\"text\"".into(), "not_json: root is not an object"),
    ];
    let values: Vec<_> = table.iter().map(|(value, _)| value).collect();
    for ((value, expected), found) in table.iter().zip(reasons("{}", &values)) {
        assert_eq!(found, *expected, "{}", String::from_utf8_lossy(value));
        assert_eq!(reasons("{}", &[value]), [*expected], "alone: {}", String::from_utf8_lossy(value));
    }
}

#[test]
fn the_first_fault_in_the_order_of_the_settings_is_the_reason() {
    let all_wrong = r#"{"id":"x","email":"x","gender":"x"}"#;
    assert_eq!(reasons("{}", &[all_wrong]), ["missing_field: registered_date"]);
    let wrong = r#"{"id":"x","email":"x","gender":"x","registered_date":""}"#;
    assert_eq!(reasons("{}", &[wrong]), ["bad_email: email"]);
    let config = r#"{"rules":[{"field":"id","format":"uuid"},{"field":"email","format":"email"}]}"#;
    assert_eq!(reasons(config, &[wrong]), ["bad_uuid: id"]);
}

#[test]
fn fields_may_be_pointers_and_codes_may_be_chosen() {
    let config = r#"{"required":["/location/city"],"rules":[
        {"field":"/location/city","pattern":"^[A-Z]","code":"small_city"},
        {"field":"/location/state","one_of":["CA","1.50","true"]},
        {"field":"e-mail","pattern":"@"}]}"#;
    let values = [
        r#"{"location":{"city":"Rome","state":"CA"},"e-mail":"@"}"#,
        r#"{"location":{"city":"Rome","state":1.50},"e-mail":"a@"}"#,
        r#"{"location":{"city":"Rome","state":true},"e-mail":"@"}"#,
        r#"{"location":{"city":"rome"}}"#,
        r#"{"location":{"city":"Rome","state":1.5}}"#,
        r#"{"location":{"city":"Rome","state":"CA"}}"#,
        r#"{"location":7}"#,
    ];
    let expected = [
        "",
        "",
        "",
        "small_city: /location/city",
        "bad_state: /location/state",
        "bad_e_mail: e-mail",
        "missing_field: /location/city",
    ];
    assert_eq!(reasons(config, &values), expected);
}

#[test]
fn only_declared_fields_are_asked_for_and_each_once() {
    let plugin = Harness::<Validate>::new("{}").unwrap();
    assert_eq!(plugin.pointers(), ["/id", "/email", "/registered_date", "/gender"]);
}

#[test]
fn wrong_settings_are_refused_with_what_to_do() {
    for (config, part) in [
        (r#"{"requierd":[]}"#, "unknown field `requierd`, expected `required` or `rules`"),
        (r#"{"required":"id"}"#, "expected a sequence"),
        (r#"{"required":[""]}"#, "a field's name is empty"),
        (r#"{"required":[],"rules":[]}"#, "nothing to check"),
        (r#"{"rules":[{"format":"uuid"}]}"#, "missing field `field`"),
        (r#"{"rules":[{"field":"a","formt":"uuid"}]}"#, "unknown field `formt`"),
        (r#"{"rules":[{"field":"a","format":"ipv4"}]}"#, "known are `email` and `uuid`"),
        (r#"{"rules":[{"field":"a"}]}"#, "exactly one of"),
        (r#"{"rules":[{"field":"a","format":"uuid","pattern":"x"}]}"#, "exactly one of"),
        (r#"{"rules":[{"field":"a","one_of":[]}]}"#, "`one_of` is empty"),
        (r#"{"rules":[{"field":"a","pattern":"("}]}"#, "the pattern `(` cannot be read"),
        (r#"{"rules":[{"field":"a","pattern":"x","code":"no: good"}]}"#, "the code `no: good` is not"),
        (r#"{"rules":[{"field":"/a~3","pattern":"x"}]}"#, "no JSON pointer"),
    ] {
        let message = refused(config);
        assert!(message.contains(part), "{config}: {message}");
    }
}
