//! Reports against numbers that are computed here, line by line, from what went into the table; and of both engines alike.
//!
//! `MILLSTREAM_REPORT_RECORDS` says how many records; 20,000 where it is not set.

use std::{collections::BTreeMap, time::Duration};

use millstream::{
    config,
    log::partition_of,
    report::{self, Limit, Report},
};
use serde_json::{Value, json};
use xtask::dataset::{self, Verdict};

use crate::{
    stack::{Input, Stack},
    tables::{Engine, batch, create_with},
};

const SEED: u64 = 11;

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
ttl = "1h"
primary_key = "id"
columns = { id = "uuid", first_name = "text", last_name = "text", gender = "text", address = "text", post_code = "text", email = "text", username = "text", registered_date = "text", phone = "text", picture = "text" }
"#;

const COLUMNS: [&str; 11] = [
    "id",
    "first_name",
    "last_name",
    "gender",
    "address",
    "post_code",
    "email",
    "username",
    "registered_date",
    "phone",
    "picture",
];

fn records() -> u64 {
    std::env::var("MILLSTREAM_REPORT_RECORDS").map_or(20_000, |count| count.parse().unwrap())
}

/// What must be reported, by nothing but the lines and the verdicts that they were made for.
#[derive(Default)]
struct Truth {
    rows: u64,
    missing: BTreeMap<&'static str, u64>,
    genders: BTreeMap<String, u64>,
    domains: BTreeMap<String, u64>,
    days: BTreeMap<String, u64>,
    dates: Vec<String>,
    dead: BTreeMap<String, u64>,
}

/// The records, all of one partition, so that the first of equal ids is the one in the table.
fn made(key: &[u8]) -> (Vec<(i32, Input)>, Truth) {
    let (mut truth, mut made) = (Truth::default(), Vec::new());
    for (line, verdict) in dataset::records(records(), SEED) {
        match verdict {
            Verdict::First { .. } => truth.row(&serde_json::from_str(&line).unwrap()),
            Verdict::Duplicate { .. } => {}
            Verdict::Invalid(reason) => *truth.dead.entry(reason.code().to_owned()).or_default() += 1,
        }
        made.push((0, Input { key: Some(key.to_vec()), value: Some(line.into()) }));
    }
    (made, truth)
}

impl Truth {
    fn row(&mut self, user: &Value) {
        self.rows += 1;
        for column in COLUMNS {
            *self.missing.entry(column).or_default() += u64::from(user.get(column).is_none_or(Value::is_null));
        }
        *self.genders.entry(user["gender"].as_str().unwrap().to_owned()).or_default() += 1;
        let domain = user["email"].as_str().unwrap().rsplit('@').next().unwrap();
        *self.domains.entry(domain.to_owned()).or_default() += 1;
        let date = user["registered_date"].as_str().unwrap();
        *self.days.entry(format!("{}T00:00:00.000Z", &date[..10])).or_default() += 1;
        self.dates.push(date.to_owned());
    }

    fn top(counts: &BTreeMap<String, u64>) -> Value {
        let mut all: Vec<_> = counts.iter().collect();
        all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        all.into_iter().take(10).map(|(value, rows)| json!({ "value": value, "rows": rows })).collect()
    }
}

async fn report_on(stack: &Stack, limit: Limit) -> Report {
    let env = |name: &str| {
        Some(match name {
            "SOURCE" => stack.topic_url("source"),
            "SINK" => stack.table_url("users"),
            "DEAD_LETTERS" => stack.topic_url("dead_letters"),
            "PLUGINS" => "nowhere".to_owned(), // a report needs no plugin
            _ => return None,
        })
    };
    let loaded = config::load(&stack.folder().join("pipeline.toml"), &env).unwrap_or_else(|faults| panic!("{faults}"));
    let places = report::places(&loaded.config);
    assert_eq!(places.len(), 1);
    report::read(&places[0], limit, &|_| {}).await.unwrap()
}

async fn check(stack: Option<Stack>) {
    let Some(stack) = stack else { return };
    let key = (0_u32..).map(|n| n.to_string().into_bytes()).find(|key| partition_of(key, 1) == 0).unwrap();
    let (made, mut truth) = made(&key);
    stack.create_topic("source", 1).await;
    stack.append("source", &made).await;
    stack.run(STORE).await;

    let all = report::json(&report_on(&stack, Limit::ALL).await);
    assert_eq!((&all["rows"], &all["more"]), (&truth.rows.into(), &false.into()));
    let missing: BTreeMap<&str, u64> = all["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["column"].as_str().unwrap(), column["rows"].as_u64().unwrap()))
        .collect();
    assert_eq!(missing, truth.missing);
    assert_eq!(all["gender"]["top"], Truth::top(&truth.genders));
    assert_eq!(all["email_domains"]["top"], Truth::top(&truth.domains));
    assert_eq!(all["email_domains"]["distinct"], truth.domains.len());
    assert_eq!((&all["email_domains"]["certain"], &all["email_domains"]["without"]), (&true.into(), &0.into()));

    let registered = &all["registered_date"];
    assert_eq!((&registered["parsed"], &registered["unreadable"]), (&truth.rows.into(), &0.into()));
    assert_eq!(registered["users"]["per"], "day", "more minutes than are told apart");
    let days: BTreeMap<String, u64> = serde_json::from_value(
        registered["users"]["buckets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|bucket| (bucket[0].as_str().unwrap().to_owned(), bucket[1].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    )
    .unwrap();
    assert_eq!(days, truth.days);
    truth.dates.sort();
    assert_eq!(registered["users"]["first"], *truth.dates.first().unwrap());
    assert_eq!(registered["users"]["last"], *truth.dates.last().unwrap());

    assert_eq!(all["arrival"]["unknown"], 0);
    assert_eq!(all["arrival"]["users"]["per"], "minute");
    let arrived: u64 =
        all["arrival"]["users"]["buckets"].as_array().unwrap().iter().map(|bucket| bucket[1].as_u64().unwrap()).sum();
    assert_eq!(arrived, truth.rows);
    assert_eq!(all["time_to_live"]["rows_without_end"], 0);

    let store = &all["pipelines"][0];
    assert_eq!((&store["pipeline"], &store["consumed"]), (&"store".into(), &made.len().into()));
    let dead: BTreeMap<String, u64> = store["dead_lettered_by"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| {
            assert_eq!(cause["stage"], "validate");
            (cause["reason"].as_str().unwrap().to_owned(), cause["records"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(dead, truth.dead);

    let sample = report_on(&stack, Limit::of(2_000)).await;
    assert_eq!((sample.contents.rows, sample.contents.more), (2_000, true));
    let registered = sample.contents.registered.unwrap();
    assert_eq!((registered.parsed.step().name, registered.parsed.total()), ("minute", 2_000));
    stack.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_those_of_the_records_on_log_and_sqlite() {
    check(Stack::embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_those_of_the_records_on_kafka_and_cassandra() {
    check(Stack::real().await).await;
}

/// Users of whom some lack something, an hour and a half of arrivals, and values that nobody has thought of.
fn odd_users() -> Vec<(String, i64, i64)> {
    let one_of = |texts: [&'static str; 4], n: i64| texts[n as usize % 4];
    let user = |n: i64| {
        let domain = one_of(["example.com", "Example.COM", "b.example", "<b>"], n);
        let mut user = json!({
            "id": format!("00000000-0000-4000-8000-{n:012}"),
            "gender": one_of(["male", "female", "</script><script>alert(1)</script>", ""], n),
            "email": format!("u{n}@{domain}"),
            "registered_date": one_of(["2024-02-29T12:34:56.789Z", "2024-02-29 12:34", "2023-12-31", "soon"], n),
            "logins": n,
            "seen": "2024-02-29T12:34:56.789Z",
        });
        for (nth, column) in [(5, "gender"), (7, "email"), (11, "registered_date"), (3, "logins"), (13, "seen")] {
            if n % nth == 0 {
                user[column] = Value::Null;
            }
        }
        if n % 17 == 0 {
            user["email"] = "no address at all".into();
        }
        (user.to_string(), 1_700_000_000_000 + n * 10_007, n)
    };
    (0..500).map(user).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_give_the_same_numbers() {
    let columns = [
        ("id", "uuid"),
        ("gender", "text"),
        ("email", "text"),
        ("registered_date", "text"),
        ("logins", "int"),
        ("seen", "timestamp"),
    ];
    let users = odd_users();
    let records: Vec<_> = users.iter().map(|(value, ms, offset)| (value.as_str(), *ms, *offset)).collect();
    let mut reports = Vec::new();
    for engine in [Some(Engine::sqlite()), Engine::cassandra().await].into_iter().flatten() {
        let mut sink =
            engine.open("users", create_with(&columns, Some(Duration::from_secs(3_600))), false).await.unwrap();
        let batch = batch(&sink.fields(), &records);
        let rows: Vec<u32> = (0..records.len() as u32).collect();
        assert_eq!(sink.write(&batch, &rows).await, []);
        let place = report::address(&engine.url("users")).unwrap();
        let read = report::read(&place, Limit::ALL, &|_| {}).await.unwrap();
        let (soonest, _) = read.contents.expiring.ends().unwrap();
        let left_s = (soonest - read.taken_ms) / 1_000;
        assert!((3_500..=3_600).contains(&left_s), "{left_s}");
        let mut json = report::json(&read);
        for own in ["table", "taken", "time_to_live"] {
            json.as_object_mut().unwrap().remove(own);
        }
        assert_eq!(json["rows"], 500);
        reports.push(json);
        // A table that is not there, and one with another name, are told.
        let missing = report::address(&engine.url("nothing")).unwrap();
        let refused = report::read(&missing, Limit::ALL, &|_| {}).await.unwrap_err().to_string();
        assert!(refused.contains("there is no table") && refused.contains("nothing"), "{refused}");
        engine.end().await;
    }
    let first = &reports[0];
    assert_eq!(first["registered_date"]["unreadable"], 113);
    assert_eq!(first["email_domains"]["without"], 30);
    assert_eq!(first["arrival"]["users"]["buckets"].as_array().unwrap().len(), 84);
    assert!(reports.iter().all(|report| report == first), "{reports:#?}");
}
