//! What of a record becomes what in a struct, and which fault it is where it does not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::Debug;

use crate::{Fault, Fields, FromField, Kind, Plugin, Record, Setup, Text, Typed, Verdict, testing::Harness};

/// Rejects each record with what it was read as.
struct Shows<T: Fields>(Typed<T>);

impl<T: Fields + 'static> Plugin for Shows<T>
where
    for<'a> T::Of<'a>: Debug,
{
    fn new(setup: &mut Setup) -> Result<Self, String> {
        Ok(Self(setup.fields()))
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        match self.0.read(record) {
            Ok(read) => Verdict::Reject(format!("{read:?}").into()),
            Err(fault) => fault.into(),
        }
    }
}

fn shown<T: Fields + 'static>(values: &[&str]) -> Vec<String>
where
    for<'a> T::Of<'a>: Debug,
{
    let reason = |verdict| match verdict {
        Verdict::Reject(reason) => reason.into_owned(),
        other => panic!("{other:?}"),
    };
    Harness::<Shows<T>>::new("{}").unwrap().run(values).unwrap().into_iter().map(reason).collect()
}

/// One field of each kind of type.
#[derive(Debug, Fields)]
#[allow(dead_code, reason = "it is shown")]
struct One<'a> {
    borrowed: Option<&'a str>,
    owned: Option<String>,
    text: Option<Text<'a>>,
    flag: Option<bool>,
    small: Option<u8>,
    large: Option<i64>,
    real: Option<f64>,
    kind: Kind,
}

/// What the fields are read as where each is this JSON value; `-` where it is of a wrong type.
fn read_as(json: &str) -> String {
    let names = ["borrowed", "owned", "text", "flag", "small", "large", "real", "kind"];
    let read = names.map(|name| {
        let shown = shown::<One<'static>>(&[&format!("{{\"{name}\":{json}}}")]).remove(0);
        let value = shown.split(&format!("{name}: ")).nth(1).unwrap_or_default();
        let end = value.find([',', '}']).unwrap_or(value.len());
        if shown.starts_with("wrong_type: ") { "-".to_owned() } else { value[..end].trim().to_owned() }
    });
    read.map(|value| value.replace("Some(", "").replace("Text(", "").replace(')', "")).join(" ")
}

#[test]
fn each_type_takes_what_it_stands_for_and_nothing_else() {
    for (json, expected) in [
        (r#""b\u0062""#, r#""bb" "bb" "bb" - - - - String"#),
        (r#""1""#, r#""1" "1" "1" - - - - String"#),
        ("17", r#"- - "17" - 17 17 17.0 Number"#),
        ("-17", r#"- - "-17" - - -17 -17.0 Number"#),
        ("256", r#"- - "256" - - 256 256.0 Number"#),
        ("1.50e1", r#"- - "1.50e1" - - - 15.0 Number"#),
        ("9223372036854775808", r#"- - "9223372036854775808" - - - 9.223372036854776e18 Number"#),
        ("true", r#"- - "true" true - - - True"#),
        ("false", r#"- - "false" false - - - False"#),
        ("null", "None None None None None None None Null"),
        ("[1]", "- - - - - - - Array"),
        ("{}", "- - - - - - - Object"),
    ] {
        assert_eq!(read_as(json), expected, "{json}");
    }
}

/// A type of the plugin's own.
#[derive(Debug, PartialEq)]
enum Size {
    S,
    L,
}

impl<'a> FromField<'a> for Size {
    fn from_field(kind: Kind, text: &'a str) -> Option<Self> {
        match (kind, text) {
            (Kind::String, "s") => Some(Self::S),
            (Kind::String, "l") => Some(Self::L),
            _ => None,
        }
    }
}

#[derive(Debug, Fields)]
#[fields(rename_all = "camelCase")]
#[allow(dead_code, reason = "it is shown")]
struct Order<'a> {
    order_id: &'a str,
    #[field(rename = "/to/0/city")]
    city: Text<'a>,
    #[field(default)]
    express: bool,
    #[field(rename = "a~b", default)]
    odd: u32,
    r#type: Size,
}

#[test]
fn names_pointers_and_defaults_are_those_of_the_attributes() {
    let plugin = Harness::<Shows<Order<'static>>>::new("{}").unwrap();
    assert_eq!(plugin.pointers(), ["/orderId", "/to/0/city", "/express", "/a~0b", "/type"]);
    let full = r#"{"orderId":"o","to":[{"city":7}],"express":true,"a~b":3,"type":"l"}"#;
    let bare = r#"{"orderId":"o","to":[{"city":"x"}],"express":null,"type":"s"}"#;
    let read = [
        r#"Order { order_id: "o", city: Text("7"), express: true, odd: 3, type: L }"#,
        r#"Order { order_id: "o", city: Text("x"), express: false, odd: 0, type: S }"#,
    ];
    assert_eq!(shown::<Order<'static>>(&[full, bare]), read);
}

#[test]
fn the_first_field_that_does_not_fit_is_the_reason_and_has_a_code() {
    let records = [
        r#"{"to":[],"type":"s"}"#,
        r#"{"orderId":1}"#,
        r#"{"orderId":"o","to":[{"city":[]}]}"#,
        r#"{"orderId":"o","to":[{"city":"x"}],"a~b":"1"}"#,
        r#"{"orderId":"o","to":[{"city":"x"}],"type":"m"}"#,
        "{",
        "[]",
    ];
    let reasons = [
        "missing_field: orderId",
        "wrong_type: orderId",
        "wrong_type: /to/0/city",
        "wrong_type: a~b",
        "wrong_type: type",
        "not_json",
        "not_json: root is not an object",
    ];
    assert_eq!(shown::<Order<'static>>(&records), reasons);
    let wrong = Fault::of(Kind::Number, &["missing_field: a", "wrong_type: a"]);
    assert_eq!((wrong.code(), wrong.field(), wrong.to_string().as_str()), ("wrong_type", Some("a"), "wrong_type: a"));
    let no_json = Fault::of(Kind::NotObject, &["", ""]);
    assert_eq!((no_json.code(), no_json.field()), ("not_json", None));
}

#[test]
fn a_field_of_which_only_the_kind_matters_brings_no_text() {
    #[derive(Debug, Fields)]
    #[allow(dead_code, reason = "it is shown")]
    struct Kinds {
        a: Kind,
        b: Option<bool>,
    }
    assert_eq!(shown::<Kinds>(&["{\"a\":{}}"]), ["Kinds { a: Object, b: None }"]);
    // Of a record that is no object, not even an optional field is read.
    assert_eq!(shown::<Kinds>(&["7"]), ["not_json: root is not an object"]);
    let mut setup = Setup::new("", "p", "1");
    let _: Typed<Kinds> = setup.fields();
    assert!(setup.finish().unwrap().0.fields.iter().all(|field| !field.text));
}
