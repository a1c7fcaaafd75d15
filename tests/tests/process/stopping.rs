//! However a run is stopped, in order, in haste or by a kill, nothing is lost; and in order, nothing is repeated.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use millstream_tests::{
    process::{Folder, PATIENCE, Process, STOP, Signal, eventually},
    service,
};
use rusqlite::{Connection, OpenFlags};

use crate::engines::{Wire, locked, unique};

const EMAIL: &str = "create = { columns = { email = \"text\" } }";

fn pipeline(source: &str, sink: &str) -> Folder {
    Folder::with(&format!(
        "[[pipeline]]\nname = \"p\"\ndead_letters = {{ url = \"file:dead.jsonl\" }}\n\
         source = {{ url = \"generator:users\", {source} }}\nsink = {{ url = {sink} }}\n"
    ))
}

/// Rows of a table that may not be there yet.
fn count(database: &Path, table: &str) -> i64 {
    let open = || Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let count =
        |database: Connection| database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
    open().and_then(count).unwrap_or(0)
}

/// Bytes of the changelog.
fn committed(folder: &Folder) -> u64 {
    let Ok(files) = std::fs::read_dir(folder.path(".millstream/state/p")) else { return 0 };
    files.map(|file| file.and_then(|file| file.metadata()).map_or(0, |metadata| metadata.len())).sum()
}

/// The ids of users, in order, each once, given as the generator makes them.
fn ids<'a>(logins: impl Iterator<Item = &'a serde_json::Value>) -> BTreeSet<String> {
    logins.map(|login| login["uuid"].as_str().expect("a login has an id").to_owned()).collect()
}

/// Runs at full speed, stops in the middle, and starts again, twice over; then looks at all that was stored.
fn stops_without_loss_or_repetition(signal: Signal) {
    let folder = pipeline("batch_records = 64", "\"file:out.jsonl\", format = \"envelope\"");
    let size = || folder.path("out.jsonl").metadata().map_or(0, |metadata| metadata.len());
    for _ in 0..3 {
        let before = size();
        let mut process = folder.start(&["run"]);
        process.until("progress", PATIENCE, || size() > before + 200_000);
        let ended = process.stop(signal, STOP);
        ended.assert(0, &["stopping", "nothing lost"]);
        assert!(!ended.stdout.contains("under way"), "it did not finish what it had read:\n{}", ended.stdout);
    }
    let offsets: Vec<u64> =
        folder.json_lines("out.jsonl").iter().map(|line| line["offset"].as_u64().expect("an offset")).collect();
    let expected: Vec<u64> = (0..offsets.len() as u64).collect();
    assert!(offsets == expected, "offsets are lost or repeated among {}", offsets.len());
}

#[test]
fn sigterm_drains_and_the_next_start_repeats_no_record() {
    stops_without_loss_or_repetition(Signal::Terminate);
}

#[test]
fn sigint_drains_and_the_next_start_repeats_no_record() {
    stops_without_loss_or_repetition(Signal::Interrupt);
}

#[test]
fn a_stop_before_anything_has_started_ends_in_order() {
    let folder = Folder::with("");
    let made = std::process::Command::new("mkfifo").arg(folder.path("slow.toml")).status().expect("mkfifo");
    assert!(made.success());
    let process = folder.start(&["run", "slow.toml"]);
    // Returns once the other side reads, which it does as long as this one is open.
    let config = std::fs::OpenOptions::new().write(true).open(folder.path("slow.toml")).expect("opening the pipe");
    process.stop(Signal::Terminate, STOP).assert(0, &["stopped before anything was started"]);
    drop(config);
}

/// Until well after the next batch was due, so that one waits for what is locked or away.
fn until_a_batch_is_under_way() {
    let began = Instant::now();
    eventually("a batch is under way", PATIENCE, || began.elapsed() > Duration::from_millis(500));
}

/// A run whose table another program has locked for good: the database, and the process that waits for it.
fn with_locked_table() -> (Folder, Connection, Process) {
    let folder = pipeline("records = 3000, rate = 2000, batch_records = 50", &format!("\"sqlite:t.db/t\", {EMAIL}"));
    let mut process = folder.start(&["run"]);
    process.until("record stored", PATIENCE, || count(&folder.path("t.db"), "t") > 0);
    let database = locked(&folder.path("t.db"));
    until_a_batch_is_under_way();
    (folder, database, process)
}

/// Unlocks, runs to the end, and checks that every record arrived.
fn nothing_is_lost_after(folder: &Folder, database: &Connection) {
    database.execute_batch("ROLLBACK").expect("unlocking the database");
    folder.run(&["run"]).assert(0, &["nothing lost: 3,000 consumed = 3,000 written + 0 dropped + 0 dead-lettered"]);
    let all = pipeline("records = 3000", "\"file:out.jsonl\"");
    all.run(&["run"]).assert(0, &["nothing lost: 3,000 consumed"]);
    let emails: BTreeSet<String> = all.json_lines("out.jsonl").iter().map(|user| user["email"].to_string()).collect();
    assert_eq!(count(&folder.path("t.db"), "t"), emails.len() as i64);
}

#[test]
fn a_second_sigint_ends_at_once_and_loses_nothing() {
    let (folder, database, process) = with_locked_table();
    process.signal(Signal::Interrupt);
    process.until_it_says(&["stopping"], PATIENCE);
    let ended = process.stop(Signal::Interrupt, STOP);
    ended.assert(130, &[]);
    assert!(ended.took < Duration::from_secs(1), "at once, but after {:?}", ended.took);
    nothing_is_lost_after(&folder, &database);
}

#[test]
fn a_stop_while_the_table_is_locked_takes_under_five_seconds_and_loses_nothing() {
    let (folder, database, process) = with_locked_table();
    process.stop(Signal::Terminate, STOP).assert(0, &["they are read again at the next start"]);
    nothing_is_lost_after(&folder, &database);
}

#[test]
fn a_stop_while_the_log_is_locked_takes_under_five_seconds_and_loses_nothing() {
    let folder = pipeline("records = 3000, rate = 2000, batch_records = 50", "\"log:users\"");
    let process = folder.start(&["run"]);
    eventually("commits", PATIENCE, || committed(&folder) > 2_000);
    let database = Connection::open(folder.path(".millstream/log.db")).expect("opening the log");
    database.busy_timeout(Duration::from_secs(10)).expect("setting a timeout");
    database.execute_batch("BEGIN IMMEDIATE").expect("locking the log");
    until_a_batch_is_under_way();
    process.stop(Signal::Terminate, STOP).assert(0, &["they are read again at the next start"]);
    database.execute_batch("ROLLBACK").expect("unlocking the log");
    folder.run(&["run"]).assert(0, &["nothing lost: 3,000 consumed = 3,000 written + 0 dropped + 0 dead-lettered"]);
}

/// Numbers that look random; the seed is printed with a failure, as all output is.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

#[test]
fn ten_kills_at_random_moments_lose_nothing() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64 | 1;
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let columns = "create = { primary_key = \"login\", columns = { login = \"text\", email = \"text\" } }";
    let folder = pipeline("records = 6000, rate = 1500, batch_records = 20", &format!("\"sqlite:t.db/t\", {columns}"));
    let database = folder.path("t.db");
    let mut stored = Vec::new();
    for _ in 0..10 {
        let process = folder.start(&["run"]);
        // Half of them anywhere, in the start itself too; the others in the midst of the work.
        let delay = Duration::from_millis(dice.up_to(300));
        if dice.up_to(2) == 0 {
            let before = count(&database, "t");
            eventually("progress", PATIENCE, || count(&database, "t") > before);
        }
        let began = Instant::now();
        eventually("the moment", PATIENCE, || began.elapsed() >= delay);
        let ended = process.stop(Signal::Kill, STOP);
        assert_eq!(ended.code, None, "it ended before it was killed:\n{}", ended.output());
        stored.push(count(&database, "t"));
    }
    println!("rows after each kill: {stored:?}");
    folder.run(&["run"]).assert(0, &["nothing lost: 6,000 consumed = 6,000 written + 0 dropped + 0 dead-lettered"]);

    let database = Connection::open(database).expect("opening the database");
    let mut rows = database.prepare("SELECT login FROM t").expect("the table");
    let logins = rows.query_map([], |row| row.get::<_, String>(0)).expect("rows").map(|login| login.expect("a row"));
    let logins: Vec<serde_json::Value> = logins.map(|login| serde_json::from_str(&login).expect("JSON")).collect();
    let reference = pipeline("records = 6000", "\"file:out.jsonl\"");
    reference.run(&["run"]).assert(0, &["nothing lost: 6,000 consumed"]);
    let users = reference.json_lines("out.jsonl");
    assert_eq!(ids(users.iter().map(|user| &user["login"])).len(), 6000);
    assert!(ids(logins.iter()) == ids(users.iter().map(|user| &user["login"])), "not the users that were made");
    assert_eq!(folder.read("dead.jsonl"), "");
}

#[test]
fn a_stop_while_cassandra_is_away_takes_under_five_seconds() {
    let Some(node) = service("cassandra") else { return };
    let wire = Wire::to(&node);
    let sink = format!("\"cassandra://{}/millstream_process.{}\", {EMAIL}", wire.address, unique("away"));
    let folder = pipeline("rate = 200", &sink);
    let process = folder.start(&["run"]);
    eventually("commits", PATIENCE, || committed(&folder) > 2_000);
    wire.cut();
    process.until_it_says(&["cannot write, trying again"], PATIENCE);
    let ended = process.stop(Signal::Terminate, STOP);
    ended.assert(0, &["nothing lost", "they are read again at the next start"]);
}
