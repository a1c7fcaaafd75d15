//! Dead letters put through their pipeline again while it runs: every one is accounted for, the table is the truth, and a
//! second replay writes nothing; with a crash after each step of a commit as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use millstream::{
    dead_letters::{Letter, Which},
    pipeline::{CauseCount, Host, Replacement, Replay, ReplayError, ReplayLedger},
    state::handled_letters,
};
use xtask::dataset::{self, PARTITIONS, Verdict};

use crate::stack::{Input, Stack};

/// Records that are stored before the wrong plugin is deployed.
const GOOD: u64 = 500;
const SEED: u64 = 11;

/// The table's pipeline; `PLUGIN` is what its first stage runs.
fn config(name: &str, plugin: &str, until: &str) -> String {
    format!(
        r#"
[[pipeline]]
name = "{name}"
{until}
source = {{ url = "${{SOURCE}}", batch_records = 200 }}
dead_letters = {{ url = "${{DEAD_LETTERS}}" }}

[[pipeline.stage]]
name = "check"
plugin = "${{PLUGINS}}/{plugin}"
grant = ["random"]

[[pipeline.stage]]
plugin = "${{PLUGINS}}/dedup"
grant = ["state"]
config = {{ key = "id", format = "uuid", ttl = "20m" }}

[pipeline.sink]
url = "${{SINK}}"

[pipeline.sink.create]
ttl = "20m"
primary_key = "id"
columns = {{ id = "uuid", first_name = "text", email = "text" }}
"#
    )
}

/// Records that the wrong plugin rejects: `MILLSTREAM_REPLAY_RECORDS`, or 2,500.
fn bad() -> u64 {
    std::env::var("MILLSTREAM_REPLAY_RECORDS").map_or(2_500, |count| count.parse().unwrap())
}

const CAUGHT_UP: &str = "until = \"caught-up\"";
/// A plugin that takes answers of the Random User API, and so none of the flat users.
const WRONG: &str = "format-user";
const RIGHT: &str = "validate";

/// A place where dead letters wait, and the truth about all records.
struct Place {
    stack: Stack,
    name: String,
    ids: BTreeSet<String>,
    invalid: u64,
    duplicates: u64,
}

impl Place {
    async fn made(stack: Stack, name: &str) -> Self {
        let mut ids = BTreeSet::new();
        let (mut invalid, mut duplicates, mut records) = (0, 0, Vec::new());
        for (line, (value, verdict)) in (0_u64..).zip(dataset::records(GOOD + bad(), SEED)) {
            let is_bad = line >= GOOD;
            match verdict {
                Verdict::First { id } => drop(ids.insert(id)),
                Verdict::Duplicate { .. } => duplicates += u64::from(is_bad),
                Verdict::Invalid(_) => invalid += u64::from(is_bad),
            }
            let partition = dataset::partition(line);
            let key = crate::truth::keys()[partition as usize].clone();
            records.push((partition as i32, Input { key: Some(key), value: Some(value.into()) }));
        }
        stack.create_topic("source", PARTITIONS as u32).await;
        stack.append("source", &records[..GOOD as usize]).await;
        let report = stack.run(&config(name, RIGHT, CAUGHT_UP)).await;
        assert!(report.figures.totals.written > 0 && report.figures.totals.dead_lettered_total() > 0);
        stack.append("source", &records[GOOD as usize..]).await;
        let report = stack.run(&config(name, WRONG, CAUGHT_UP)).await;
        let rejected = report.figures.totals.since(&report.figures.at_start).dead_lettered_total();
        assert_eq!(rejected, bad(), "the wrong plugin takes nothing");
        Self { stack, name: name.to_owned(), ids, invalid, duplicates }
    }

    /// What the wrong plugin rejected, through the right one.
    fn wanted(&self) -> Replay {
        let plugin = self.stack.specs(&config(&self.name, RIGHT, "")).remove(0).stages.remove(0).plugin;
        let replacement = Some(Replacement { stage: None, plugin });
        Replay { which: Which { stage: Some("check".to_owned()), ..Which::default() }, replacement, dry_run: false }
    }

    /// The pipeline with the wrong plugin, reading on.
    fn start(&self) -> Host {
        Host::start(self.stack.specs(&config(&self.name, WRONG, "")))
    }

    async fn stored(&self) -> BTreeSet<String> {
        let rows = self.stack.rows("users", &["id".to_owned()]).await;
        let ids: BTreeSet<String> = rows.iter().map(|row| row["id"].clone().unwrap()).collect();
        assert_eq!(ids.len(), rows.len());
        ids
    }

    fn state(&self) -> PathBuf {
        self.stack.data_dir().join("state").join(&self.name)
    }

    /// How many letters there are of each attempt.
    async fn attempts(&self) -> BTreeMap<u64, u64> {
        let letters = self.stack.read("dead_letters").await;
        let mut attempts = BTreeMap::new();
        for row in 0..letters.len() {
            let letter = Letter::read(letters.record(row)).unwrap();
            assert_eq!((letter.pipeline.as_ref(), letter.stage.as_ref()), (self.name.as_str(), "check"));
            *attempts.entry(letter.attempt).or_default() += 1;
        }
        attempts
    }
}

async fn ended(host: Host) {
    host.stop();
    for report in host.wait().await {
        assert!(report.result.is_ok(), "{report:?}");
        assert_eq!(report.figures.totals.drift(), 0);
    }
}

fn sum(counts: &[CauseCount]) -> u64 {
    counts.iter().map(|count| count.records).sum()
}

fn settled(ledger: &ReplayLedger) -> [u64; 5] {
    assert_eq!((ledger.missing, ledger.drift(), &ledger.ended), (0, 0, &None), "{ledger:?}");
    let (failing, dropped) = (sum(&ledger.still_failing), sum(&ledger.dropped));
    [ledger.taken, ledger.written, failing, dropped, ledger.replayed_before]
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_written_once_and_accounted_for_on_log_and_sqlite() {
    replayed(Stack::embedded(), "replayed-embedded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_written_once_and_accounted_for_on_kafka_and_cassandra() {
    replayed(Stack::real().await, "replayed-real").await;
}

async fn replayed(stack: Option<Stack>, name: &str) {
    let Some(stack) = stack else { return };
    let place = Place::made(stack, name).await;
    let first_invalid = place.attempts().await[&0] - bad();
    let before = place.stored().await;
    let host = place.start();
    let all = bad() + first_invalid;
    let new = bad() - place.invalid - place.duplicates;

    let mut wanted = place.wanted();
    wanted.dry_run = true;
    let trial = host.replay(name, &wanted).await.unwrap();
    assert_eq!((trial.taken, sum(&trial.still_failing)), (all, place.invalid + first_invalid));
    assert_eq!(place.stored().await, before, "a trial writes nothing");
    wanted.dry_run = false;

    let failing = place.invalid + first_invalid;
    let ledger = host.replay(name, &wanted).await.unwrap();
    assert_eq!(settled(&ledger), [all, new, failing, place.duplicates, 0], "{ledger:?}");
    assert!(ledger.dropped.iter().all(|count| count.stage == "dedup"), "{ledger:?}");
    assert_eq!(place.stored().await, place.ids);

    // Only what failed again is there to be replayed; and then that again.
    for attempt in 1..3 {
        let again = host.replay(name, &wanted).await.unwrap();
        assert_eq!(settled(&again), [failing, 0, failing, 0, all + (attempt - 1) * failing], "{again:?}");
    }
    assert_eq!(place.stored().await, place.ids);
    assert_eq!(place.attempts().await, [(0, all), (1, failing), (2, failing), (3, failing)].into());

    let nothing =
        Replay { which: Which { reason: Some("no_such".to_owned()), ..wanted.which.clone() }, ..wanted.clone() };
    let none = host.replay(name, &nothing).await.unwrap();
    assert_eq!((none.taken, none.not_asked_for), (0, failing));
    let stageless = Replay { which: Which::default(), ..wanted.clone() };
    let refused = host.replay(name, &stageless).await.unwrap_err();
    assert!(matches!(refused, ReplayError::WhichStage { .. }), "{refused}");
    assert!(matches!(host.replay("nobody", &wanted).await, Err(ReplayError::NoPipeline(_))));
    ended(host).await;

    // Each partition of letters is one interval, however it was replayed.
    let handled = handled_letters(&place.state()).unwrap();
    assert!(handled.iter().count() <= PARTITIONS as usize * 2, "{handled:?}");
    place.stack.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_a_replay_loses_nothing_and_the_next_one_finishes_it() {
    for step in ["before-sink", "after-sink", "before-frame", "mid-frame", "after-frame"] {
        let name = format!("replay-crash-{step}");
        let place = Place::made(Stack::embedded().unwrap(), &name).await;
        let point = format!("{name}/{step}");
        fail::cfg(&point, if step == "mid-frame" { "1*off->return" } else { "1*off->panic" }).unwrap();
        let host = place.start();
        let cut_off = host.replay(&name, &place.wanted()).await.unwrap();
        fail::remove(&point);
        assert!(cut_off.ended.is_some() && cut_off.missing > 0 && cut_off.drift() == 0, "{step}: {cut_off:?}");
        drop(host.wait().await);

        let host = place.start();
        let ledger = host.replay(&name, &place.wanted()).await.unwrap();
        let [taken, ..] = settled(&ledger);
        // Behind its frame a batch is dealt with, though nobody heard of it.
        assert!(taken >= cut_off.missing || step == "after-frame" && taken > 0, "{step}: {ledger:?}");
        assert_eq!(place.stored().await, place.ids, "{step}");
        let again = host.replay(&name, &place.wanted()).await.unwrap();
        assert_eq!(settled(&again)[1], 0, "{step}: a second replay writes nothing: {again:?}");
        assert_eq!(place.stored().await, place.ids, "{step}");
        ended(host).await;
    }
}
