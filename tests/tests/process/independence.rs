//! Pipelines of one process do not hold each other up: whatever ails one, the others store all that they read.

use millstream_tests::process::{Folder, PATIENCE, STOP, Signal};

use crate::engines::locked;

const COLUMNS: &str = "create = { columns = { email = \"text\" } }";

/// A pipeline `ailing` with this sink and a pipeline `well` that writes `out.jsonl`, both from this source.
fn beside(sink: &str, source: &str) -> Folder {
    let one = |name: &str, sink: &str| {
        format!(
            "[[pipeline]]\nname = \"{name}\"\ndead_letters = {{ url = \"file:{name}.dead.jsonl\" }}\n\
             source = {{ url = \"generator:users\", {source} }}\nsink = {{ url = {sink} }}\n"
        )
    };
    Folder::with(&(one("ailing", sink) + &one("well", "\"file:out.jsonl\"")))
}

#[test]
fn a_pipeline_that_fails_lets_the_other_store_everything() {
    let folder = beside(&format!("\"sqlite:occupied/t\", {COLUMNS}"), "records = 5000");
    std::fs::create_dir(folder.path("occupied")).expect("making a folder");
    let ended = folder.run(&["run"]);
    ended.assert(1, &["FAILED: sink `sqlite:occupied/t`", "nothing lost: 5,000 consumed = 5,000 written"]);
    assert_eq!(folder.json_lines("out.jsonl").len(), 5000);
}

#[test]
fn a_pipeline_that_waits_for_its_sink_lets_the_other_go_on() {
    let folder = beside(&format!("\"cassandra://127.0.0.1:1/k.t\", {COLUMNS}"), "rate = 500");
    let mut process = folder.start(&["run"]);
    process.until_it_says(&["`cassandra://127.0.0.1:1/k.t`", "trying again"], PATIENCE);
    let stored = folder.json_lines("out.jsonl").len();
    process.until("500 more records", PATIENCE, || folder.json_lines("out.jsonl").len() > stored + 500);
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost: 0 consumed"]);
}

#[test]
fn a_pipeline_whose_sink_is_locked_lets_the_other_store_everything() {
    let folder =
        beside(&format!("\"sqlite:t.db/t\", timeout = \"500ms\", {COLUMNS}"), "records = 5000, batch_records = 100");
    let database = locked(&folder.path("t.db"));
    let mut process = folder.start(&["run"]);
    process.until("5000 records", PATIENCE, || folder.json_lines("out.jsonl").len() == 5000);
    process.until_it_says(&["locked"], PATIENCE);
    database.execute_batch("ROLLBACK").expect("unlocking the database");
    let ended = process.wait(PATIENCE);
    ended.assert(0, &["nothing lost: 5,000 consumed = 5,000 written"]);
    assert_eq!(ended.stdout.matches("nothing lost: 5,000 consumed = 5,000 written").count(), 2, "{}", ended.output());
}

#[test]
fn a_pipeline_whose_plugin_is_missing_keeps_all_from_starting() {
    let folder = beside("\"discard:\"", "records = 10");
    let config = folder.read("pipeline.toml");
    let stage = "sink = { url = \"discard:\" }\nstage = [{ plugin = \"nope.wasm\" }]";
    folder.write("pipeline.toml", config.replace("sink = { url = \"discard:\" }", stage));
    folder.run(&["run"]).assert(2, &["pipeline.toml:6:21: error[plugin-missing]: there is no plugin at `nope.wasm`"]);
    assert!(!folder.path("out.jsonl").exists(), "something was started");
    folder.run(&["run", "--only", "well"]).assert(0, &["nothing lost: 10 consumed = 10 written"]);
}
