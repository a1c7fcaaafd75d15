//! What the projection promises, case by case; `hostile` compares it with `serde_json` on documents by the thousand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod generate;
mod hostile;
mod named;
mod oracle;

use super::*;
use oracle::Cell;

fn field(pointer: &str, want: Want) -> Field {
    Field { pointer: pointer.to_owned(), want }
}

/// One projector per way of reading bytes, whose states go on from record to record.
struct Both {
    fields: Vec<Field>,
    ways: [(&'static str, Projector); 2],
    out: Columns,
}

impl Both {
    fn new(fields: &[Field]) -> Self {
        let ways = [
            ("native", Projector::new(fields).unwrap()),
            ("portable", Projector::with_bitmap(fields, Bitmap::portable()).unwrap()),
        ];
        Self { fields: fields.to_vec(), ways, out: Columns::new(fields.len()) }
    }

    /// Projects a record both ways and panics unless both agree with `serde_json`; returns the row.
    fn check(&mut self, value: &[u8]) -> Vec<Cell> {
        let expected = oracle::row(&self.fields, value);
        for (way, projector) in &mut self.ways {
            self.out.clear();
            projector.project(Some(value), &mut self.out);
            for ((field, cell), column) in self.fields.iter().zip(&expected).zip(&self.out.columns) {
                let found = Cell::of(field.want, column, 0);
                assert_eq!(&found, cell, "{way}: {} of {}", field.pointer, String::from_utf8_lossy(value));
                assert_eq!(column.kinds.len(), 1);
                assert_eq!(column.texts.len(), usize::from(field.want != Want::Kind));
            }
        }
        expected
    }
}

/// Checks the records in order with one state and returns the texts of the first field.
fn first_texts(fields: &[Field], records: &[&str]) -> Vec<String> {
    let mut both = Both::new(fields);
    let text = |record: &&str| String::from_utf8(both.check(record.as_bytes())[0].text.clone()).unwrap();
    records.iter().map(text).collect()
}

#[test]
fn pointers_that_name_no_field_are_refused() {
    for pointer in ["", "id", "/a~2"] {
        assert!(Projector::new(&[field("/ok", Want::Kind), field(pointer, Want::Text)]).is_err(), "{pointer}");
    }
}

#[test]
fn each_want_keeps_its_share_of_the_text() {
    let record = br#"{"s": "a\n", "e": "", "n": -1.50E+2, "t": true, "f": false, "z": null, "a": [1, {"x": 2}], "o": {"k" : 1}}"#;
    let keys = ["/s", "/e", "/n", "/t", "/f", "/z", "/a", "/o", "/none"];
    let kinds = [
        Kind::String,
        Kind::String,
        Kind::Number,
        Kind::True,
        Kind::False,
        Kind::Null,
        Kind::Array,
        Kind::Object,
        Kind::Absent,
    ];
    let text = ["a\n", "", "-1.50E+2", "", "", "", "", "", ""];
    let raw = ["a\n", "", "-1.50E+2", "true", "false", "", r#"[1, {"x": 2}]"#, r#"{"k" : 1}"#, ""];
    for (want, texts) in [(Want::Kind, [""; 9]), (Want::Text, text), (Want::Raw, raw)] {
        let row = Both::new(&keys.map(|key| field(key, want))).check(record);
        assert_eq!(row.iter().map(|cell| cell.kind).collect::<Vec<_>>(), kinds);
        assert_eq!(row.iter().map(|cell| cell.text.as_slice()).collect::<Vec<_>>(), texts.map(str::as_bytes));
    }
}

#[test]
fn rows_add_up_whatever_the_value_is() {
    let mut projector = Projector::new(&[field("/a", Want::Text), field("/a", Want::Kind)]).unwrap();
    let mut out = Columns::new(2);
    for value in [Some(&br#"{"a":"x"}"#[..]), None, Some(b"{"), Some(b"[]"), Some(b""), Some(br#"{"a":12}"#)] {
        projector.project(value, &mut out);
    }
    let kinds = [Kind::String, Kind::NotJson, Kind::NotJson, Kind::NotObject, Kind::NotJson, Kind::Number];
    assert_eq!(out.columns[0].kinds, kinds.map(|kind| kind as u8));
    assert_eq!(out.columns[0].texts.iter().collect::<Vec<_>>(), [&b"x"[..], b"", b"", b"", b"", b"12"]);
    assert_eq!(out.columns[1].kinds, kinds.map(|kind| kind as u8));
    assert!(out.columns[1].texts.is_empty());
}

#[test]
fn a_pointer_may_repeat_and_extend_another() {
    let fields =
        [field("/a/b", Want::Text), field("/a", Want::Raw), field("/a/b", Want::Kind), field("/a/b", Want::Raw)];
    let row = Both::new(&fields).check(br#"{"a": {"b": [1]}}"#);
    assert_eq!(row[1], Cell { kind: Kind::Object, text: br#"{"b": [1]}"#.to_vec() });
    assert_eq!(row[0], Cell { kind: Kind::Array, text: Vec::new() });
    assert_eq!(row[3], Cell { kind: Kind::Array, text: b"[1]".to_vec() });
}

#[test]
fn a_later_duplicate_replaces_all_that_was_below_the_earlier() {
    let fields = [field("/a/b/c", Want::Text), field("/a/b", Want::Raw), field("/a", Want::Raw)];
    let texts = first_texts(
        &fields,
        &[
            r#"{"a":{"b":{"c":"1"}}}"#,
            r#"{"a":{"b":{"c":"1"}},"a":{"b":{}}}"#,
            r#"{"a":{"b":{"c":"1"}},"a":{}}"#,
            r#"{"a":{"b":{"c":"1"}},"a":"x"}"#,
            r#"{"a":{"b":{"c":"1"}},"a":null}"#,
            r#"{"a":{"b":{"c":"1"}},"a":[]}"#,
            r#"{"a":{"b":{"c":"1"},"b":{}}}"#,
            r#"{"a":{"b":{"c":"1","c":"2"}}}"#,
            r#"{"a":{"b":{"c":"1"}},"\u0061":{"b":{"c":"3"}}}"#,
            r#"{"a":"x","a":{"b":{"c":"4"}}}"#,
        ],
    );
    assert_eq!(texts, ["1", "", "", "", "", "", "", "2", "3", "4"]);
}

#[test]
fn tokens_name_members_of_objects_and_elements_of_arrays() {
    let fields = [field("/a/1/x", Want::Text), field("/a/0", Want::Raw), field("/a/01", Want::Raw)];
    let texts = first_texts(
        &fields,
        &[
            r#"{"a":[0,{"x":"element"}]}"#,
            r#"{"a":{"1":{"x":"member"}}}"#,
            r#"{"a":{"01":{"x":"no"},"0":1}}"#,
            r#"{"a":[{"x":"no"}]}"#,
            r#"{"a":[[ ],{"x":"late"},3,[4]]}"#,
            r#"{"a":[]}"#,
            r#"{"a":[0,[{"x":"no"}]]}"#,
        ],
    );
    assert_eq!(texts, ["element", "member", "", "", "late", "", ""]);
}

#[test]
fn escaped_keys_and_pointers_meet() {
    let fields = [field("/a~1b/m~0n/é", Want::Text), field("/", Want::Text)];
    let records =
        [r#"{"a/b":{"m~n":{"é":"1"}}}"#, r#"{"":"x","a\/b":{"m\u007en":{"\u00e9":"2"}}}"#, r#"{"a":{"b":1}}"#];
    assert_eq!(first_texts(&fields, &records), ["1", "2", ""]);
}

#[test]
fn what_was_learned_of_one_record_never_bends_the_next() {
    let texts = first_texts(
        &[
            field("/a", Want::Text),
            field("/b", Want::Text),
            field("/a_key_that_is_longer_than_a_gap_can_be", Want::Text),
        ],
        &[
            r#"{"a": "1", "b": "2", "c": 3}"#,
            r#"{"a":  "wide", "b":"2"}"#,
            r#"{, "b": "2"}"#,
            r#"{"a": "1""b": "2"}"#,
            r#"{"a": "1" "b": "2"}"#,
            r#"{"b": "2", "a": "swapped"}"#,
            r#"{"a": "kept", "c": 3}"#,
            r#"{"c": 3, "a": "behind", "b": "2"}"#,
            r#"{"a_key_that_is_longer_than_a_gap_can_be": 1, "a": "long", "b": "2"}"#,
            r#"{"a": "short", "a_key_that_is_longer_than_a_gap_can_be": 1, "b": "2"}"#,
            r#"{"a": "again", "b": "2"}"#,
            r#"{"a": "cut", "b": "2""#,
            r#"{"a": "cut", "b": "#,
            r#"{"a": "cut", "b":"#,
            "{\"a\": \0\"nul\"}",
            r#"{"a": }"#,
            r#"{"a": ,"b": "2"}"#,
        ],
    );
    let read = ["1", "wide", "", "", "", "swapped", "kept", "behind", "long", "short", "again"];
    assert_eq!(texts[..11], read);
    assert!(texts[11..].iter().all(String::is_empty));
}

#[test]
fn a_name_that_serde_json_keeps_for_itself_is_a_plain_key() {
    let mut projector = Projector::new(&[field("/$serde_json::private::RawValue", Want::Text)]).unwrap();
    let mut out = Columns::new(1);
    projector.project(Some(br#"{"$serde_json::private::RawValue": "{"}"#), &mut out);
    assert_eq!(out.columns[0].texts.get(0), b"{");
}

#[test]
fn objects_with_very_many_members_are_read_to_the_end() {
    let mut both = Both::new(&[field("/k99", Want::Text), field("/k3", Want::Text)]);
    for round in 0..3 {
        let members: Vec<String> = (0..200).map(|i| format!("\"k{}\":\"{round}\"", (i + round) % 200)).collect();
        let row = both.check(format!("{{{}}}", members.join(", ")).as_bytes());
        assert_eq!(row[0].text, round.to_string().into_bytes());
    }
}
