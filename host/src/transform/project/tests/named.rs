//! Documents at the edges of JSON, each read by projectors that have read all those before.

use super::*;

const EDGES: &[&str] = &[
    // around the document
    "",
    " \n",
    " \n\t\r{\"id\" : \"a\" }\r\n",
    "\u{b}{}",
    "\u{a0}{}",
    "\u{feff}{\"id\":\"a\"}",
    "{\"id\":\"a\"} x",
    "{\"id\":\"a\"}{\"id\":\"b\"}",
    "{\"id\":\"a\"}\0",
    "{}",
    "[]",
    "[\"a\"]",
    "\"string\"",
    "null",
    "nul",
    "nulll",
    "1",
    "-",
    "tru",
    "{",
    "[",
    "\"",
    "}",
    "]",
    ",",
    ":",
    "\\",
    // commas, colons, brackets
    "{\"id\":\"a\",}",
    "{,\"id\":\"a\"}",
    "{\"id\":\"a\",,\"x\":1}",
    "{\"id\" \"a\"}",
    "{\"id\":}",
    "{\"id\"}",
    "{1:2}",
    "{'id':'a'}",
    "{\"id\":\"a\"/*c*/}",
    "{\"id\":[1,]}",
    "{\"id\":[,1]}",
    "{\"id\":[1 2]}",
    "{\"id\":[1}}",
    "{\"id\":{\"a\":1]}",
    "{\"id\":[}",
    "{\"id\":{]}",
    "{\"x\":[[],{},[{}]],\"id\":[[[]]]}",
    // literals and numbers
    "{\"id\":nul}",
    "{\"id\":nulll}",
    "{\"id\":True}",
    "{\"id\":NaN}",
    "{\"id\":Infinity}",
    "{\"id\":01}",
    "{\"id\":-01}",
    "{\"id\":1.}",
    "{\"id\":.5}",
    "{\"id\":+1}",
    "{\"id\":-}",
    "{\"id\":-0}",
    "{\"id\":1e}",
    "{\"id\":1e+}",
    "{\"id\":0x1}",
    "{\"id\":0e1}",
    "{\"id\":1.e1}",
    "{\"id\":18446744073709551616}",
    "{\"id\":-9223372036854775809}",
    "{\"id\":1_0}",
    // the range of an f64
    "{\"id\":1e308}",
    "{\"id\":1e309}",
    "{\"id\":-1e309}",
    "{\"x\":1e309}",
    "{\"id\":1e-999}",
    "{\"id\":0e999}",
    "{\"id\":0.0e9999999999999}",
    "{\"id\":1e9999999999999}",
    "{\"id\":1e-9999999999999}",
    "{\"id\":1.7976931348623157e308}",
    "{\"id\":1.7976931348623158e308}",
    "{\"id\":1.7976931348623159e308}",
    "{\"id\":17976931348623157e292}",
    "{\"id\":17976931348623158e292}",
    "{\"id\":17976931348623159e292}",
    "{\"id\":179769313486231580793728971405303415079934132710037826936e252}",
    // escapes and control bytes, in wanted and unwanted strings and in keys
    r#"{"id":"\ud800"}"#,
    r#"{"id":"\udc00"}"#,
    r#"{"zz":"\ud800x","id":"a"}"#,
    r#"{"id":"\ud83d\ude00"}"#,
    r#"{"id":"\uD83D\uDE00"}"#,
    r#"{"id":"\ud83d\u0041"}"#,
    r#"{"id":"\ud83d\n"}"#,
    r#"{"id":"\ud83d\ud83d"}"#,
    r#"{"id":"\ud83d\ue000"}"#,
    r#"{"id":"\udbff\udfff"}"#,
    r#"{"id":"\x"}"#,
    r#"{"zz":"\x","id":"a"}"#,
    r#"{"id":"\u12"}"#,
    r#"{"id":"\u12g4"}"#,
    r#"{"id":"\u+123"}"#,
    r#"{"id":"\u0000"}"#,
    r#"{"id":"\"#,
    r#"{"id":"\u"#,
    r#"{"id":"\ud83d\u"#,
    r#"{"id":"\"}"#,
    r#"{"id":"\\"}"#,
    r#"{"id":"\\\"}"#,
    r#"{"\ud800":1}"#,
    r#"{"\u0069d":"a"}"#,
    r#"{"id":"a","\u0069d":"b"}"#,
    r#"{"i\d":"a"}"#,
    "{\"id\":\"a\0b\"}",
    "{\"id\":\"a\tb\"}",
    "{\"id\":\"\x1f\"}",
    "{\"id\":\"\x7f\"}",
    "{\"id\":\"\u{2028}\"}",
    "{\"i\nd\":1}",
    "{\"zz\":\"\n\"}",
    "{\"id\":\"\\\0\"}",
    // keys
    r#"{"id":"a","id":"b"}"#,
    r#"{"zz":1,"zz":2}"#,
    r#"{"":1}"#,
    r#"{"a":{"id":"x"}}"#,
    r#"{"i":1,"idd":2,"id":3}"#,
];

#[test]
fn agrees_with_serde_json_at_the_edges() {
    let mut both = Both::new(&[field("/id", Want::Raw), field("/id/a", Want::Text), field("/x", Want::Kind)]);
    for _ in 0..2 {
        for edge in EDGES {
            both.check(edge.as_bytes());
        }
    }
}

#[test]
fn agrees_with_serde_json_on_the_depth_of_nesting() {
    let fields = [
        field("/id", Want::Kind),
        field("/a/a/a/a", Want::Raw),
        field(&"/a".repeat(140), Want::Text),
        field(&"/0".repeat(140), Want::Text),
    ];
    let mut both = Both::new(&fields);
    for depth in [1, 2, 125, 126, 127, 128, 129, 200, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]"), ("{\"b\":[{}, ", "]}")] {
            for (around, inner) in [(("", ""), "1"), (("{\"id\":", "}"), "[]"), (("{\"a\":", "}"), "{}")] {
                let nested = [around.0, &open.repeat(depth), inner, &close.repeat(depth), around.1].concat();
                both.check(nested.as_bytes());
                both.check(&nested.as_bytes()[..nested.len() / 2]);
            }
        }
    }
    assert_ne!(both.check(["[".repeat(127), "]".repeat(127)].concat().as_bytes())[0].kind, Kind::NotJson);
    assert_eq!(both.check(["[".repeat(128), "]".repeat(128)].concat().as_bytes())[0].kind, Kind::NotJson);
}

#[test]
fn agrees_with_serde_json_on_malformed_utf8() {
    let mut both = Both::new(&[field("/id", Want::Text), field("/é", Want::Text)]);
    let sequences: [&[u8]; 9] = [
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xe2\x82",
        b"\xf5\x80\x80\x80",
        b"\x80",
        b"\xc3\xa9",
        b"\xf4\x8f\xbf\xbf",
        b"\xc3\\u00a9",
    ];
    for sequence in sequences {
        for (before, after) in [
            ("{\"id\":\"", "\",\"x\":1}"),
            ("{\"zz\":\"", "\",\"id\":1}"),
            ("{\"", "\":1}"),
            ("", "{}"),
            ("{}", ""),
            ("{\"id\":", "}"),
        ] {
            both.check(&[before.as_bytes(), sequence, after.as_bytes()].concat());
        }
    }
}

#[test]
fn every_beginning_of_a_record_is_refused() {
    let record = "{\"id\": \"1c77ce0d-f322-4158-91fd-e9d87cd0c273\", \"name\": \"Eé\\u00e4\\\"tu 😀\", \"x\": [1, {\"a\": null}], \"é\": true}";
    let mut both = Both::new(&[field("/id", Want::Text), field("/x/1/a", Want::Kind), field("/é", Want::Raw)]);
    for _ in 0..2 {
        assert_eq!(both.check(record.as_bytes())[2].text, b"true");
        for end in 0..record.len() {
            assert_eq!(both.check(&record.as_bytes()[..end])[0].kind, Kind::NotJson);
        }
    }
}

#[test]
fn long_records_and_short_ones_alternate() {
    let mut both = Both::new(&[field("/id", Want::Text), field("/tail", Want::Text)]);
    for length in [0, 1, 63, 64, 65, 5_000, 3, 127, 128, 129, 0, 70_000, 2] {
        let text = "ab".repeat(length);
        let row = both.check(format!("{{\"id\":\"{text}\",\"tail\":\"{text}\\n\"}}").as_bytes());
        assert_eq!(row[1].text.len(), 2 * length + 1);
    }
}
