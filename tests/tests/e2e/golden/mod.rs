//! Golden cases: folders with a pipeline, what goes in, and exactly what must come out, on every engine.
//!
//! A case is `tests/golden/<case>/` with `pipeline.toml`, `input.ndjson` (`value` or `value_base64`, and `key`),
//! `rows.ndjson` (the table by id; rows without an `id` expect one that the pipeline made) and `dead_letters.ndjson`
//! (in the order of the input). The topic has one partition, so the order of everything is given.

mod base64;
mod crash;

use std::path::{Path, PathBuf};

use millstream::{pipeline::Report, record::Record};
use serde_json::{Map, Value};

use crate::stack::{self, Input, Row, Stack};

macro_rules! cases {
    ($($case:ident)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::check(stringify!($case), super::Stack::embedded()).await;
            })*
        }

        mod in_parts {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::check_in_parts(stringify!($case)).await;
            })*
        }

        mod real {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::check(stringify!($case), super::Stack::real().await).await;
            })*
        }

        mod crashing {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::crash::check(stringify!($case)).await;
            })*
        }

        #[test]
        fn every_case_is_run() {
            let mut found: Vec<_> = std::fs::read_dir(folder()).unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            assert_eq!(found, [$(stringify!($case)),*]);
        }
    };
}

cases! { bytes dedup_by_text format_user no_stages store two_stages validate_rules }

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Runs the case, compares, and runs it again: then nothing is left to be done.
async fn check(case: &str, stack: Option<Stack>) {
    let Some(stack) = stack else { return };
    let config = std::fs::read_to_string(folder().join(case).join("pipeline.toml")).unwrap();
    let inputs: Vec<Input> = lines(case, "input").iter().map(input).collect();
    stack.create_topic("source", 1).await;
    append(&stack, &inputs).await;

    let specs = stack.specs(&config);
    let columns = stack::columns(&specs[0]);
    let first = stack::finish(specs.clone()).await.remove(0);
    compare(case, &stack, &columns, &inputs, &first).await;

    let second = stack::finish(specs).await.remove(0);
    assert_eq!(second.figures.at_start, first.figures.totals, "the second run goes on from the first");
    assert_eq!(second.figures.totals, first.figures.totals, "the second run has nothing to do");
    compare(case, &stack, &columns, &inputs, &second).await;
    stack.end().await;
}

/// The same records in batches of three, half of them after a restart: what comes out is the same.
async fn check_in_parts(case: &str) {
    let stack = Stack::embedded().unwrap();
    let config = std::fs::read_to_string(folder().join(case).join("pipeline.toml")).unwrap();
    let inputs: Vec<Input> = lines(case, "input").iter().map(input).collect();
    stack.create_topic("source", 1).await;
    let mut specs = stack.specs(&config);
    specs[0].config.source.batch_records = 3;
    let columns = stack::columns(&specs[0]);

    let (before, after) = inputs.split_at(inputs.len() / 2);
    append(&stack, before).await;
    let first = stack::finish(specs.clone()).await.remove(0);
    assert_eq!(first.figures.totals.consumed, before.len() as u64);
    append(&stack, after).await;
    let second = stack::finish(specs).await.remove(0);
    assert_eq!(second.figures.at_start, first.figures.totals);
    compare(case, &stack, &columns, &inputs, &second).await;
}

async fn append(stack: &Stack, inputs: &[Input]) {
    let records: Vec<_> = inputs.iter().map(|input| (0, input.clone())).collect();
    stack.append("source", &records).await;
}

async fn compare(case: &str, stack: &Stack, columns: &[String], inputs: &[Input], report: &Report) {
    let letters = compare_with_repeats(case, stack, columns, inputs, report).await;
    assert_eq!(report.figures.totals.dead_lettered_total(), letters as u64, "each dead letter is there once");
}

/// As [`compare`], but dead letters may be there again, as after a crash. Says how many there are in all.
async fn compare_with_repeats(
    case: &str,
    stack: &Stack,
    columns: &[String],
    inputs: &[Input],
    report: &Report,
) -> usize {
    let totals = &report.figures.totals;
    assert_eq!(totals.consumed, inputs.len() as u64, "consumed");
    assert_eq!(totals.drift(), 0, "all are accounted for");

    let expected = lines(case, "rows");
    let mut rows = stack.rows("users", columns).await;
    if expected.iter().all(|row| row.get("id").is_none()) {
        rows.iter_mut().for_each(take_made_id);
        rows.sort();
    }
    let rows: Vec<Value> = rows.into_iter().map(|row| serde_json::to_value(row).unwrap()).collect();
    assert_same(case, "row", &rows, &expected);

    let read = stack.read("dead_letters").await;
    let mut letters: Vec<_> = (0..read.len()).map(|row| letter(&read.record(row), &report.name, inputs)).collect();
    letters.sort_by_key(|(offset, _)| *offset);
    let all = letters.len();
    letters.dedup();
    let letters: Vec<Value> = letters.into_iter().map(|(_, letter)| letter).collect();
    assert_same(case, "dead letter", &letters, &lines(case, "dead_letters"));
    assert_eq!(totals.dead_lettered_total(), letters.len() as u64, "dead letters are counted");
    all
}

/// Says which is the first to differ: the whole lists are too long to read.
fn assert_same(case: &str, what: &str, found: &[Value], expected: &[Value]) {
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "{case}: {what} {}", n + 1);
    }
    let rest = (found.get(expected.len()..), expected.get(found.len()..));
    assert_eq!(found.len(), expected.len(), "{case}: number of {what}s; left over: {rest:?}");
}

/// An id that a plugin made is a UUID of version 4.
fn take_made_id(row: &mut Row) {
    let id = row.remove("id").flatten().unwrap();
    let read = uuid::Uuid::parse_str(&id).unwrap();
    assert_eq!((read.get_version_num(), read.hyphenated().to_string()), (4, id));
}

/// A dead letter as the file has it, with its offset in the source. What no file can say is checked here.
fn letter(record: &Record<'_>, pipeline: &str, inputs: &[Input]) -> (usize, Value) {
    let header = |name: &str| stack::header(record, name);
    assert_eq!(header("millstream.pipeline"), pipeline);
    assert_eq!(header("millstream.source.partition"), "0");
    assert!(header("millstream.source.topic").ends_with("source"));
    if header("millstream.stage") != "sink" {
        assert_eq!(header("millstream.plugin.version"), env!("CARGO_PKG_VERSION"));
        let sha256 = header("millstream.plugin.sha256");
        assert!(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()), "{sha256}");
    }
    let offset: usize = header("millstream.source.offset").parse().unwrap();
    let Input { key, value } = &inputs[offset];
    assert_eq!((record.key, record.value), (key.as_deref(), value.as_deref()), "the record at offset {offset}");

    let mut letter = Map::new();
    for name in ["reason", "detail", "stage"] {
        letter.insert(name.to_owned(), header(&format!("millstream.{name}")).into());
    }
    letter.insert("key".to_owned(), record.key.map(|key| String::from_utf8(key.to_vec()).unwrap()).into());
    match record.value.map(|value| (value, std::str::from_utf8(value))) {
        None => letter.insert("value".to_owned(), Value::Null),
        Some((_, Ok(text))) => letter.insert("value".to_owned(), text.into()),
        Some((bytes, Err(_))) => letter.insert("value_base64".to_owned(), base64::encode(bytes).into()),
    };
    (offset, Value::Object(letter))
}

fn input(line: &Value) -> Input {
    let text = |name: &str| line[name].as_str().map(|text| text.as_bytes().to_vec());
    let value = line["value_base64"].as_str().map(base64::decode);
    Input { key: text("key"), value: value.or_else(|| text("value")) }
}

fn lines(case: &str, file: &str) -> Vec<Value> {
    let path = folder().join(case).join(file).with_extension("ndjson");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}
