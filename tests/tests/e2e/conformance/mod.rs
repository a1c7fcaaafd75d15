//! The notebook's semantics, one line per fact, through the shipped plugins on the embedded engines.
//!
//! All records go through the `store` pipeline once; then each line looks at what became of its own. Where Millstream
//! means to differ from the notebook, the line says so.

mod lines;

use std::{collections::BTreeMap, time::Duration};

use millstream::{
    config::{self, SourceEndpoint, Start, Trigger},
    pipeline::Report,
    state::Cause,
};

use lines::{Dead, Dropped, InTable, Line, id, lines, user};

use crate::stack::{self, Input, Row, Stack};

const STAGES: &str = r#"
[[pipeline.stage]]
plugin = "${PLUGINS}/validate"
config = { VALIDATE }

[[pipeline.stage]]
plugin = "${PLUGINS}/dedup"
grant = ["state"]
config = { key = "id", format = "uuid", ttl = "TTL" }
"#;

const ENDS: &str = r#"
[[pipeline]]
name = "store"
until = "caught-up"
source = { url = "${SOURCE}" }
dead_letters = { url = "${DEAD_LETTERS}" }

[pipeline.sink]
url = "${SINK}"

[pipeline.sink.create]
ttl = "20m"
primary_key = "id"
columns = { id = "uuid", first_name = "text", last_name = "text", gender = "text", address = "text", post_code = "text", email = "text", username = "text", registered_date = "text", phone = "text", picture = "text" }
"#;

/// The `store` pipeline; `validate` is what its first stage's config says, nothing for the defaults.
fn store(validate: &str, ttl: &str) -> String {
    format!("{ENDS}{}", STAGES.replace("VALIDATE", validate).replace("TTL", ttl))
}

/// What came of a run: rows by id, dead letters by the line's number, which is their key.
struct Outcome {
    rows: BTreeMap<String, Row>,
    letters: BTreeMap<usize, (String, String, Option<Vec<u8>>)>,
    report: Report,
}

async fn outcome(lines: &[Line]) -> Outcome {
    let stack = Stack::embedded().unwrap();
    stack.create_topic("source", 1).await;
    let input = |(n, line): (usize, &Line)| (0, Input { key: Some(n.to_string().into()), value: line.value.clone() });
    stack.append("source", &lines.iter().enumerate().map(input).collect::<Vec<_>>()).await;
    let specs = stack.specs(&store("", "20m"));
    let columns = stack::columns(&specs[0]);
    let report = stack::finish(specs).await.remove(0);
    let rows = stack.rows("users", &columns).await;
    let rows = rows.into_iter().map(|row| (row["id"].clone().unwrap(), row)).collect();
    let read = stack.read("dead_letters").await;
    let letter = |row| {
        let record = read.record(row);
        let header = |name: &str| stack::header(&record, name).to_owned();
        let line = std::str::from_utf8(record.key.unwrap()).unwrap().parse().unwrap();
        (line, (header("millstream.reason"), header("millstream.detail"), record.value.map(<[u8]>::to_vec)))
    };
    Outcome { rows, letters: (0..read.len()).map(letter).collect(), report }
}

impl Outcome {
    /// What is wrong with a line, if anything.
    fn fault(&self, n: usize, line: &Line) -> Option<String> {
        let (row, letter) = (self.rows.get(&id(line.user)), self.letters.get(&n));
        match (&line.fate, row, letter) {
            (InTable(columns), Some(row), None) => {
                let differs = columns.iter().find(|(name, text)| row[*name].as_deref() != *text);
                differs.map(|(name, text)| format!("{name} is {:?}, not {text:?}", row[*name]))
            }
            (Dead(reason, detail), None, Some((found, found_detail, value))) => {
                if *value != line.value {
                    return Some("the dead letter has other bytes".to_owned());
                }
                ((*reason, *detail) != (found, found_detail)).then(|| format!("the reason is {found}: {found_detail}"))
            }
            (Dropped, None, None) => None,
            _ => Some(format!("must be {:?}, but row: {row:?}, dead letter: {letter:?}", line.fate)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_the_table_meets_its_fate() {
    let lines = lines();
    let outcome = outcome(&lines).await;
    let mut faults = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        faults.extend(outcome.fault(n, line).map(|fault| format!("line {n}, {}: {fault}", line.fact)));
    }
    assert!(faults.is_empty(), "{} of {} lines:\n{}", faults.len(), lines.len(), faults.join("\n"));

    // counted, where Spark leaves out invalid records without a word
    let totals = &outcome.report.figures.totals;
    assert_eq!(totals.consumed, lines.len() as u64, "all are consumed and committed in one short run");
    let mut expected = BTreeMap::new();
    for line in &lines {
        if let Dead(reason, _) = line.fate {
            *expected.entry(Cause::new("validate", reason)).or_insert(0) += 1;
        }
    }
    assert_eq!(totals.dead_lettered, expected, "rejected records are counted by reason");
    let dropped = lines.iter().filter(|line| matches!(line.fate, Dropped)).count() as u64;
    assert_eq!(totals.dropped, BTreeMap::from([(Cause::new("dedup", "duplicate"), dropped)]), "duplicates are counted");
    assert_eq!(outcome.rows.len() as u64, totals.written, "a row for each record that was written");
    assert!(outcome.rows.values().all(|row| row.len() == 11), "the table has the schema's eleven columns");
}

#[tokio::test(flavor = "multi_thread")]
async fn required_can_name_more_fields() {
    let stack = Stack::embedded().unwrap();
    stack.create_topic("source", 1).await;
    let whole = user(0, &[]);
    let values =
        [whole, user(1, &[("phone", Some("null"))]), user(2, &[("picture", None)]), user(3, &[("last_name", None)])];
    let records: Vec<_> = values.map(|value| (0, Input { key: None, value: Some(value.into()) })).into();
    stack.append("source", &records).await;
    let report = stack.run(&store(r#"required = ["id", "phone", "picture"]"#, "20m")).await;
    let missing = Cause::new("validate", "missing_field");
    assert_eq!(report.figures.totals.dead_lettered, BTreeMap::from([(missing, 2)]));
    let rows = stack.rows("users", &["id".to_owned()]).await;
    let ids: Vec<_> = rows.iter().map(|row| row["id"].clone().unwrap()).collect();
    assert_eq!(ids, [id(0), id(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_forgotten_after_its_time_where_spark_keeps_it_for_ever() {
    let stack = Stack::embedded().unwrap();
    stack.create_topic("source", 1).await;
    let record = [(0, Input { key: None, value: Some(user(0, &[]).into()) })];
    let config = store("", "2s");
    let began = std::time::Instant::now();
    let mut runs = 0;
    loop {
        stack.append("source", &record).await;
        runs += 1;
        let totals = stack.run(&config).await.figures.totals;
        assert_eq!(totals.consumed, runs);
        if totals.written == 2 {
            break;
        }
        assert_eq!(totals.dropped_total(), runs - 1);
        assert!(began.elapsed() < Duration::from_secs(60), "the id is still known");
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "the id was forgotten before its time");
}

#[test]
fn what_the_notebook_writes_into_its_code_has_a_setting() {
    let text = r#"
        [host]
        data_dir = "checkpoints"

        [[pipeline]]
        name = "store"
        for = "30s"

        [pipeline.source]
        url = "log:users_created"
        start = "latest"
        trigger_records = 10
        trigger_interval = "1s"

        [pipeline.sink]
        url = "discard:"
    "#;
    let loaded = config::parse("/config/pipeline.toml".as_ref(), text, &|_| None).unwrap_or_else(|f| panic!("{f}"));
    let pipeline = &loaded.config.pipelines[0];
    let SourceEndpoint::Log(log) = &pipeline.source.endpoint else { panic!("{:?}", pipeline.source.endpoint) };
    let trigger = Trigger { records: Some(10), interval: Duration::from_secs(1) };
    assert_eq!(pipeline.source.trigger, Some(trigger), "maxOffsetsPerTrigger and the trigger's interval");
    assert_eq!(log.start, Start::Latest, "the starting offsets");
    assert_eq!(loaded.config.host.data_dir, std::path::Path::new("/config/checkpoints"), "the checkpoint folder");
    assert_eq!(pipeline.run_for, Some(Duration::from_secs(30)), "the run time");
}
