//! The project's own data sets through whole pipelines, against the truth that was made with them.
//!
//! `MILLSTREAM_TRUTH_RECORDS` says how many records; 20,000 where it is not set.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Router, routing::get};
use millstream::{config, log::partition_of, random_user::write_user};
use serde_json::Value;
use xtask::dataset::{self, PARTITIONS, Verdict};

use crate::stack::{self, Input, Row, Stack};

const SEED: u64 = 7;

/// The shipped `store` pipeline, its addresses aside.
const STORE: &str = r#"
[[pipeline]]
name = "store"
until = "caught-up"
source = { url = "${SOURCE}" }
dead_letters = { url = "${DEAD_LETTERS}" }

[[pipeline.stage]]
plugin = "${PLUGINS}/validate"

[[pipeline.stage]]
plugin = "${PLUGINS}/dedup"
grant = ["state"]
config = { key = "id", format = "uuid", ttl = "20m" }

[pipeline.sink]
url = "${SINK}"

[pipeline.sink.create]
ttl = "20m"
primary_key = "id"
columns = { id = "uuid", first_name = "text", last_name = "text", gender = "text", address = "text", post_code = "text", email = "text", username = "text", registered_date = "text", phone = "text", picture = "text" }
"#;

/// What a correct pipeline makes of the data set.
#[derive(Default)]
struct Truth {
    ids: BTreeSet<String>,
    duplicates: u64,
    /// Where invalid lines are, with their reason.
    invalid: BTreeMap<(i32, i64), &'static str>,
}

fn records() -> u64 {
    std::env::var("MILLSTREAM_TRUTH_RECORDS").map_or(20_000, |count| count.parse().unwrap())
}

/// A key of each partition, for the embedded log, which goes by keys alone.
pub fn keys() -> Vec<Vec<u8>> {
    let key_of =
        |partition| (0_u32..).map(|n| n.to_string().into_bytes()).find(|key| partition_of(key, 4) == partition);
    (0..PARTITIONS as u32).map(|partition| key_of(partition).unwrap()).collect()
}

/// The records, each with its partition, and the truth about them.
fn made() -> (Vec<(i32, Input)>, Truth) {
    let (keys, mut truth, mut made) = (keys(), Truth::default(), Vec::new());
    for (line, (value, verdict)) in (0_u64..).zip(dataset::records(records(), SEED)) {
        let partition = dataset::partition(line);
        match verdict {
            Verdict::First { id } => assert!(truth.ids.insert(id)),
            Verdict::Duplicate { .. } => truth.duplicates += 1,
            Verdict::Invalid(reason) => {
                truth.invalid.insert((partition as i32, (line / PARTITIONS) as i64), reason.code());
            }
        }
        let input = Input { key: Some(keys[partition as usize].clone()), value: Some(value.into()) };
        made.push((partition as i32, input));
    }
    (made, truth)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_the_truth_on_log_and_sqlite() {
    check(Stack::embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_the_truth_on_kafka_and_cassandra() {
    check(Stack::real().await).await;
}

async fn check(stack: Option<Stack>) {
    let Some(stack) = stack else { return };
    let (made, truth) = made();
    stack.create_topic("source", PARTITIONS as u32).await;
    stack.append("source", &made).await;
    let report = stack.run(STORE).await;

    let totals = &report.figures.totals;
    assert_eq!(totals.consumed, made.len() as u64);
    assert_eq!(totals.dropped_total(), truth.duplicates);
    let rows = stack.rows("users", &["id".to_owned()]).await;
    let ids: BTreeSet<_> = rows.iter().map(|row| row["id"].clone().unwrap()).collect();
    assert_eq!(ids.len(), rows.len());
    assert!(
        ids == truth.ids,
        "ids: {} too many, {} missing",
        ids.difference(&truth.ids).count(),
        truth.ids.difference(&ids).count()
    );
    assert_eq!(totals.written, truth.ids.len() as u64);

    let read = stack.read("dead_letters").await;
    let mut found = BTreeMap::new();
    for row in 0..read.len() {
        let letter = read.record(row);
        let number = |name: &str| stack::header(&letter, &format!("millstream.source.{name}")).parse::<i64>().unwrap();
        let (partition, offset) = (number("partition"), number("offset"));
        let line = offset as usize * PARTITIONS as usize + partition as usize;
        let (_, input) = &made[line];
        assert_eq!(letter.value, input.value.as_deref(), "the dead letter of line {line}");
        assert_eq!(letter.key, input.key.as_deref(), "the dead letter of line {line}");
        let reason = stack::header(&letter, "millstream.reason");
        assert_eq!(found.insert((partition as i32, offset), reason), None, "line {line} was dead-lettered twice");
    }
    assert_eq!(found, truth.invalid, "positions and reasons of dead letters");
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    truth.invalid.values().for_each(|reason| *counts.entry(reason).or_default() += 1);
    let counted: BTreeMap<_, _> = totals.dead_lettered.iter().map(|(cause, n)| (cause.reason.as_str(), *n)).collect();
    assert_eq!(counted, counts, "dead letters by reason");
    stack.end().await;
}

const USERS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn users_polled_over_http_arrive_in_the_table_field_by_field() {
    let results: Vec<Value> = (0..USERS).map(result).collect();
    let answer: Arc<str> = serde_json::json!({ "results": results, "info": { "version": "1.4" } }).to_string().into();
    let router = Router::new().route("/api/", get(move || std::future::ready(answer.to_string())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/?results={USERS}", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, router).into_future());

    // the shipped configuration as it is, in a folder of its own
    let stack = Stack::embedded().unwrap();
    std::os::unix::fs::symlink(stack::plugins(), stack.folder().join("plugins")).unwrap();
    let path = stack.folder().join("pipeline.toml");
    std::fs::copy(stack::plugins().join("../pipeline.toml"), &path).unwrap();
    let env = |name: &str| (name == "RANDOM_USER_URL").then(|| url.clone());
    let mut loaded = config::load(&path, &env).unwrap_or_else(|faults| panic!("{faults}"));
    loaded.config.pipelines.iter_mut().for_each(|pipeline| pipeline.until_caught_up = true);
    let [ingest, store] = stack::prepared(&loaded).try_into().ok().expect("two pipelines");
    let columns = stack::columns(&store);

    let ingested = stack::finish(vec![ingest]).await.remove(0);
    assert_eq!(ingested.figures.totals.written, USERS, "{ingested:?}");
    let stored = stack::finish(vec![store]).await.remove(0);
    assert_eq!(stored.figures.totals.written, USERS, "{stored:?}");
    server.abort();

    let file = stack.data_dir().join("spark_streams.db");
    let mut rows = stack::sqlite_rows(&file, "created_users", &columns);
    let ids: BTreeSet<String> = rows.iter_mut().map(|row| row.remove("id").flatten().unwrap()).collect();
    assert_eq!(ids.len() as u64, USERS, "each has an id of its own");
    let read = stack.read("users_created").await;
    let keys: BTreeSet<String> = read.keys.iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect();
    assert_eq!(keys, ids, "the topic is keyed by id");
    let mut expected: Vec<Row> = results.iter().map(formatted).collect();
    rows.sort();
    expected.sort();
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected);
    }
    assert_eq!(rows.len(), expected.len());
}

fn result(n: u64) -> Value {
    let mut json = Vec::new();
    write_user(SEED, n, &mut json);
    serde_json::from_slice(&json).unwrap()
}

/// The row of a result, as the notebook's `format_data` and its table make it; without the id.
fn formatted(result: &Value) -> Row {
    let text = |pointer: &str| match result.pointer(pointer).unwrap() {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let place = |name: &str| text(&format!("/location/{name}"));
    let street = format!("{} {}", place("street/number"), place("street/name"));
    let address = format!("{street}, {}, {}, {}", place("city"), place("state"), place("country"));
    let fields = [
        ("first_name", text("/name/first")),
        ("last_name", text("/name/last")),
        ("gender", text("/gender")),
        ("address", address),
        ("post_code", place("postcode")),
        ("email", text("/email")),
        ("username", text("/login/username")),
        ("registered_date", text("/registered/date")),
        ("phone", text("/phone")),
        ("picture", text("/picture/medium")),
    ];
    fields.map(|(name, text)| (name.to_owned(), Some(text))).into()
}
