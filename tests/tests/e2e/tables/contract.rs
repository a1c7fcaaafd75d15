//! What a table does with rows, whichever engine it is in.

use std::time::Duration;

use millstream::sink::{Failure, Sink};

use super::engine::{COLUMNS, Engine, TestRecord, TextRow, batch, create, dead_letter};

const TABLE: &str = "users";
const A: &str = "0000000a-0000-4000-8000-000000000000";
const B: &str = "0000000b-0000-4000-8000-000000000000";

/// Makes of each function one test per engine.
macro_rules! contract {
    ($($fact:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $fact() {
                let engine = super::Engine::sqlite();
                super::$fact(&engine).await;
                engine.end().await;
            })*
        }

        mod cassandra {
            $(#[tokio::test]
            async fn $fact() {
                let Some(engine) = super::Engine::cassandra().await else { return };
                super::$fact(&engine).await;
                engine.end().await;
            })*
        }
    };
}

contract!(
    kinds_and_types_come_back_as_text,
    a_row_has_no_cell_of_the_record_before_it,
    the_last_of_a_batch_wins,
    a_replay_changes_nothing,
    an_older_record_loses_however_late_it_comes,
    either_case_of_an_id_is_one_row,
    what_cannot_be_written_is_refused_and_the_rest_goes_on,
    only_the_rows_asked_for_are_written,
    rows_expire,
    dead_letters_keep_their_bytes_and_reasons,
);

async fn kinds_and_types_come_back_as_text(engine: &Engine) {
    let odd = [
        r#"{"id":"ID1","first_name":1e5,"age":1e2,"score":12.50,"active":true,"seen":0,"big":1e5,"dob":"ignored"}"#,
        r#"{"id":"ID2","first_name":12.50,"age":-7,"score":"-0.25","active":"false","seen":"2024-02-29T13:34:56.789+01:00","big":-123456789012345678901234567890}"#,
        r#"{"id":"ID3","first_name":true,"age":"42"}"#,
        r#"{"id":"ID4","first_name":{ "b" : [1, 2.0], "a": "x y" },"age":null}"#,
        r#"{"id":"ID5","first_name":"Zoë \u0000 \"quoted\"","age":2147483647}"#,
    ];
    let id = |n: usize| format!("00000000-0000-4000-8000-00000000000{n}");
    let records: Vec<String> = (1..).zip(odd).map(|(n, json)| json.replace(&format!("ID{n}"), &id(n))).collect();
    let records: Vec<TestRecord> = (0..).zip(&records).map(|(offset, json)| (json.as_str(), 1_000, offset)).collect();
    let mut sink = engine.open(TABLE, create(None), false).await.unwrap();
    assert_eq!(write(&mut *sink, &records).await, []);
    let row = |n, cells: [Option<&str>; 6]| text_row([&[Some(id(n).as_str())], &cells[..]].concat());
    let expected = [
        row(
            1,
            [Some("1e5"), Some("100"), Some("12.5"), Some("true"), Some("1970-01-01T00:00:00.000Z"), Some("100000")],
        ),
        row(
            2,
            [
                Some("12.50"),
                Some("-7"),
                Some("-0.25"),
                Some("false"),
                Some("2024-02-29T12:34:56.789Z"),
                Some("-123456789012345678901234567890"),
            ],
        ),
        row(3, [Some("true"), Some("42"), None, None, None, None]),
        row(4, [Some(r#"{"b":[1,2.0],"a":"x y"}"#), None, None, None, None, None]),
        row(5, [Some("Zoë \0 \"quoted\""), Some("2147483647"), None, None, None, None]),
    ];
    assert_eq!(engine.rows(TABLE, &COLUMNS.map(|(name, _)| name)).await, expected);
}

async fn a_row_has_no_cell_of_the_record_before_it(engine: &Engine) {
    let mut sink = engine.open(TABLE, create(None), false).await.unwrap();
    let full = user(A, r#""first_name":"Ann","age":1"#);
    let sparse = user(A, r#""first_name":"Bea""#);
    assert_eq!(write(&mut *sink, &[(&full, 1_000, 0)]).await, []);
    assert_eq!(write(&mut *sink, &[(&sparse, 1_001, 1)]).await, []);
    assert_eq!(names_and_ages(engine).await, [text_row(vec![Some("Bea"), None])]);
}

async fn the_last_of_a_batch_wins(engine: &Engine) {
    let mut sink = engine.open(TABLE, create(None), false).await.unwrap();
    // All in one millisecond, and across the wrap of the tie-break from 999 to 0.
    let records: Vec<String> = (0..40).map(|n| user(A, &format!(r#""first_name":"n{n}","age":{n}"#))).collect();
    let records: Vec<TestRecord> = (980..).zip(&records).map(|(offset, json)| (json.as_str(), 1_000, offset)).collect();
    assert_eq!(write(&mut *sink, &records).await, []);
    assert_eq!(names_and_ages(engine).await, [text_row(vec![Some("n39"), Some("39")])]);
}

async fn a_replay_changes_nothing(engine: &Engine) {
    let mut sink = engine.open(TABLE, create(None), false).await.unwrap();
    let (first, second) = (user(A, r#""first_name":"Ann","age":1"#), user(A, r#""first_name":"Bea""#));
    let other = user(B, r#""first_name":"Cem""#);
    let records = [(first.as_str(), 1_000, 5), (second.as_str(), 1_000, 6), (other.as_str(), 900, 7)];
    assert_eq!(write(&mut *sink, &records).await, []);
    let before = names_and_ages(engine).await;
    assert_eq!(before, [text_row(vec![Some("Bea"), None]), text_row(vec![Some("Cem"), None])]);
    // A restarted host replays the records, one batch cut elsewhere.
    let mut sink = engine.open(TABLE, create(None), false).await.unwrap();
    assert_eq!(write(&mut *sink, &records[..1]).await, []);
    assert_eq!(names_and_ages(engine).await, before);
    assert_eq!(write(&mut *sink, &records[1..]).await, []);
    assert_eq!(names_and_ages(engine).await, before);
}

async fn an_older_record_loses_however_late_it_comes(engine: &Engine) {
    let mut sink = engine.open(TABLE, create(None), false).await.unwrap();
    let (newer, older) = (user(A, r#""age":2"#), user(A, r#""first_name":"Ann","age":1"#));
    assert_eq!(write(&mut *sink, &[(&newer, 2_000, 1), (&older, 1_999, 2)]).await, []);
    assert_eq!(write(&mut *sink, &[(&older, 1_000, 3)]).await, []);
    assert_eq!(names_and_ages(engine).await, [text_row(vec![None, Some("2")])]);
}

async fn either_case_of_an_id_is_one_row(engine: &Engine) {
    let mut sink = engine.open(TABLE, create(None), false).await.unwrap();
    let (lower, upper) = (user(A, r#""age":1"#), user(&A.to_uppercase(), r#""age":2"#));
    assert_eq!(write(&mut *sink, &[(&lower, 1_000, 1), (&upper, 1_000, 2)]).await, []);
    assert_eq!(engine.rows(TABLE, &["id", "age"]).await, [text_row(vec![Some(A), Some("2")])]);
}

async fn what_cannot_be_written_is_refused_and_the_rest_goes_on(engine: &Engine) {
    let mut sink = engine.open(TABLE, create(None), false).await.unwrap();
    let good = user(A, r#""age":1"#);
    let misfit = user(B, r#""age":"forty""#);
    let newline = user(&format!("{B}\\n"), r#""age":1"#);
    let records = [
        (misfit.as_str(), 1_000, 0),
        (r#"{"age":1}"#, 1_000, 1),
        (good.as_str(), 1_000, 2),
        (r#"{"id":null}"#, 1_000, 3),
        ("not json", 1_000, 4),
        ("[1]", 1_000, 5),
        (newline.as_str(), 1_000, 6),
    ];
    let failures = write(&mut *sink, &records).await;
    let seen: Vec<_> = failures.iter().map(|failure| (failure.row, failure.code)).collect();
    let expected =
        [(0, "bad_value"), (1, "missing_key"), (3, "missing_key"), (4, "not_json"), (5, "not_json"), (6, "bad_value")];
    assert_eq!(seen, expected);
    assert!(failures.iter().all(|failure| !failure.retryable));
    assert_eq!(failures[0].detail, "column `age` is int; `forty` does not fit");
    assert_eq!(engine.rows(TABLE, &["id", "age"]).await, [text_row(vec![Some(A), Some("1")])]);
}

async fn only_the_rows_asked_for_are_written(engine: &Engine) {
    let mut sink = engine.open(TABLE, create(None), false).await.unwrap();
    let (one, other) = (user(A, r#""age":1"#), user(B, r#""age":2"#));
    let batch = batch(&sink.fields(), &[(&one, 1_000, 0), (&other, 1_000, 1)]);
    assert_eq!(sink.write(&batch, &[1]).await, []);
    assert_eq!(sink.write(&batch, &[]).await, []);
    assert_eq!(engine.rows(TABLE, &["age"]).await, [text_row(vec![Some("2")])]);
}

async fn rows_expire(engine: &Engine) {
    let mut sink = engine.open(TABLE, create(Some(Duration::from_secs(2))), false).await.unwrap();
    assert_eq!(write(&mut *sink, &[(&user(A, r#""age":1"#), 1_000, 0)]).await, []);
    assert_eq!(engine.rows(TABLE, &["age"]).await, [text_row(vec![Some("1")])]);
    engine.eventually(TABLE, &["age"], &[]).await;
}

async fn dead_letters_keep_their_bytes_and_reasons(engine: &Engine) {
    let mut sink = engine.open("dead", create(None), true).await.unwrap();
    assert_eq!(sink.fields(), []);
    let headers = [
        ("millstream.pipeline", "store"),
        ("millstream.stage", "validate"),
        ("millstream.reason", "bad_email"),
        ("millstream.source.topic", "users"),
        ("millstream.source.partition", "2"),
        ("millstream.source.offset", "7"),
        ("millstream.time", "2024-02-29T12:34:56.789Z"),
        ("millstream.attempt", "1"),
    ];
    let letter = dead_letter(&headers, b"not \xff json", 7);
    assert_eq!(sink.write(&letter, &[0]).await, []);
    assert_eq!(sink.write(&letter, &[0]).await, [], "a replay is the same row");
    // The same record fails again, later and for another reason: the newer report replaces the older as a whole.
    let later =
        [&headers[..1], &[("millstream.reason", "timeout"), ("millstream.time", "2024-02-29T12:34:57Z")]].concat();
    assert_eq!(sink.write(&dead_letter(&later, b"v", 9), &[0]).await, []);
    let mut again = headers;
    again[2].1 = "a_new_rule";
    again[6].1 = "2024-03-01T00:00:00Z";
    assert_eq!(sink.write(&dead_letter(&again, b"not \xff json", 7), &[0]).await, []);
    let columns = ["id", "stage", "reason", "detail", "source_offset", "attempt", "failed_at"];
    let replaced = ["store/users/2/7", "validate", "a_new_rule"].map(Some);
    let other = [Some("store/users/2/9"), None, Some("timeout")];
    let expected = [
        text_row([&replaced[..], &[None, Some("7"), Some("1"), Some("2024-03-01T00:00:00.000Z")]].concat()),
        text_row([&other[..], &[None, Some("9"), None, Some("2024-02-29T12:34:57.000Z")]].concat()),
    ];
    assert_eq!(engine.rows("dead", &columns).await, expected);
    assert_eq!(engine.blob("dead", "record_value", "store/users/2/7").await, b"not \xff json");
}

async fn write(sink: &mut dyn Sink, records: &[TestRecord<'_>]) -> Vec<Failure> {
    let batch = batch(&sink.fields(), records);
    let rows: Vec<u32> = (0..records.len() as u32).collect();
    sink.write(&batch, &rows).await
}

async fn names_and_ages(engine: &Engine) -> Vec<TextRow> {
    engine.rows(TABLE, &["first_name", "age"]).await
}

fn user(id: &str, fields: &str) -> String {
    format!(r#"{{"id":"{id}",{fields}}}"#)
}

fn text_row(cells: Vec<Option<&str>>) -> TextRow {
    cells.into_iter().map(|cell| cell.map(str::to_owned)).collect()
}
