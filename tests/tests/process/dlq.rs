//! Dead letters counted, shown and replayed: by a process of their own, and by the host that runs.

use millstream_tests::process::{Folder, PATIENCE, STOP, Signal, plugin};

const USERS: u64 = 300;

/// Users of the generator, of whom a rule takes those with one of these genders.
fn config(genders: &str, host: &str) -> String {
    format!(
        "{host}\n[[pipeline]]\nname = \"p\"\n\
         source = {{ url = \"generator:users\", records = {USERS}, batch_records = 50 }}\n\
         sink = {{ url = \"file:out.jsonl\" }}\ndead_letters = {{ url = \"log:dead\" }}\n\
         [[pipeline.stage]]\nname = \"check\"\nplugin = \"validate.wasm\"\n\
         config = {{ required = [], rules = [{{ field = \"gender\", one_of = [{genders}] }}] }}\n"
    )
}

const BOTH: &str = "\"male\", \"female\"";

/// A folder in which half of the users lie in the dead letters; how many do.
fn with_letters() -> (Folder, u64) {
    let folder = Folder::with(&config("\"male\"", ""));
    folder.run(&["plugin", "build", &plugin("validate"), "--out", "validate.wasm"]).assert(0, &[]);
    folder.run(&["run"]).assert(0, &["dead-lettered by check: bad_gender", "nothing lost"]);
    let letters = USERS - rows(&folder);
    assert!(letters > 0 && letters < USERS);
    (folder, letters)
}

fn rows(folder: &Folder) -> u64 {
    folder.json_lines("out.jsonl").len() as u64
}

fn json(folder: &Folder, arguments: &[&str]) -> serde_json::Value {
    let ended = folder.run(arguments);
    ended.assert(0, &[]);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.output()))
}

#[test]
fn letters_are_counted_shown_and_replayed_where_no_host_runs() {
    let (folder, letters) = with_letters();
    let listed = json(&folder, &["dlq", "list", "--format", "json"]);
    let kind = &listed[0]["kinds"][0];
    assert_eq!((&kind["reason"], &kind["stage"]), (&"bad_gender".into(), &"check".into()), "{listed}");
    assert_eq!((&kind["letters"], &kind["replayed"]), (&letters.into(), &0.into()), "{listed}");
    folder.run(&["dlq", "list", "--reason", "other"]).assert(0, &["p: 0 dead letters in log:dead"]);

    let shown = folder.run(&["dlq", "show", "--limit", "1"]);
    shown.assert(0, &["log:dead, partition", "reason    bad_gender", "check (validate", "value     {"]);
    assert_eq!(shown.stdout.matches("log:dead").count(), 1, "{}", shown.stdout);
    let ended = folder.run(&["dlq", "show", "--limit", "1000", "--format", "json"]);
    ended.assert(0, &[]);
    let all: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(all.len() as u64, letters);
    assert!(all.iter().zip(&all[1..]).all(|(a, b)| a["time_ms"].as_i64() >= b["time_ms"].as_i64()), "the newest first");

    // The rule is as it was: all fail again, and become letters anew.
    let before = rows(&folder);
    let trial = json(&folder, &["dlq", "replay", "--dry-run", "--format", "json"]);
    assert_eq!(trial["still_failing"][0]["records"], letters, "{trial}");
    assert_eq!(rows(&folder), before);

    folder.write("pipeline.toml", config(BOTH, ""));
    let said = format!("{letters} in = {letters} written + 0 still failing + 0 dropped + 0 missing");
    folder.run(&["dlq", "replay"]).assert(0, &["dead letters of log:dead taken up", &said]);
    assert_eq!(rows(&folder), USERS);
    let again = folder.run(&["dlq", "replay"]);
    again.assert(0, &["0 in = 0 written", &format!("not taken up: {letters} were replayed before")]);
    assert_eq!(rows(&folder), USERS, "a second replay writes nothing");
    let listed = json(&folder, &["dlq", "list", "--format", "json"]);
    assert_eq!(listed[0]["kinds"][0]["replayed"], letters, "{listed}");
}

#[test]
fn a_running_host_replays_when_it_is_asked() {
    let (folder, letters) = with_letters();
    folder.write("pipeline.toml", config(BOTH, "").replace(&format!("records = {USERS}"), "rate = 1"));
    let process = folder.start(&["run", "--no-watch"]);
    process.until_it_says(&["resuming after the last commit"], PATIENCE);
    let refused = folder.run(&["dlq", "replay"]);
    refused.assert(2, &["another process uses the state", "give it `admin = \"127.0.0.1:8642\"` in `[host]`"]);
    process.stop(Signal::Terminate, STOP).assert(0, &[]);

    let admin = "[host]\nadmin = \"127.0.0.1:0\"\n";
    folder.write("pipeline.toml", config(BOTH, admin).replace(&format!("records = {USERS}"), "rate = 1"));
    let process = folder.start(&["run", "--no-watch"]);
    process.until_it_says(&["admin address: http://"], PATIENCE);
    let output = process.output();
    let address = output.split("admin address: http://").nth(1).and_then(|rest| rest.split_whitespace().next());
    let ask = ["dlq", "replay", "--admin", address.expect("an address"), "--format", "json"];
    let ledger = json(&folder, &ask);
    assert_eq!(
        (&ledger["taken"], &ledger["written"], &ledger["missing"]),
        (&letters.into(), &letters.into(), &0.into())
    );
    let again = json(&folder, &ask);
    assert_eq!((&again["taken"], &again["replayed_before"]), (&0.into(), &letters.into()), "{again}");

    // A plugin that is none is refused, and what runs goes on.
    folder.write("none.wasm", "no WebAssembly");
    folder.run(&[&ask[..], &["--plugin", "none.wasm"]].concat()).assert(2, &["is not a WebAssembly component"]);
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}

#[test]
fn what_cannot_be_replayed_is_told_with_what_to_do() {
    let one = |name: &str, letters: &str| {
        format!(
            "[[pipeline]]\nname = \"{name}\"\nsource = {{ url = \"log:a\" }}\nsink = {{ url = \"discard:\" }}\n\
             dead_letters = {{ url = \"{letters}\" }}\n"
        )
    };
    let folder = Folder::with(&(one("first", "log:dead") + &one("second", "file:dead.jsonl")));
    folder.run(&["dlq", "replay"]).assert(2, &["say by `--pipeline` which one; there are: first, second"]);
    folder.run(&["dlq", "list", "--pipeline", "third"]).assert(2, &["there is no pipeline `third`"]);
    folder.run(&["dlq", "list"]).assert(1, &["first: 0 dead letters in log:dead", "only a topic of dead letters"]);
    folder
        .run(&["dlq", "replay", "--pipeline", "second"])
        .assert(2, &["only a topic of dead letters can be read again"]);
}
