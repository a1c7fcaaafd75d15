//! Whatever changes while the host runs takes effect between two batches, or is refused with its reason; nothing is lost and
//! nothing is written twice.

use std::{collections::BTreeSet, io::Write as _};

use millstream_tests::process::{Folder, PATIENCE, Process, STOP, Signal, eventually, plugin};

use crate::admin::ask;

/// Users at a rate, formatted and checked; `rule` is the check's configuration.
pub fn config(rate: u64, rule: &str, more: &str) -> String {
    format!(
        "{more}\n[[pipeline]]\nname = \"p\"\n\
         source = {{ url = \"generator:users\", rate = {rate}, batch_records = 50 }}\n\
         sink = {{ url = \"file:out.jsonl\", format = \"envelope\" }}\n\
         dead_letters = {{ url = \"file:dead.jsonl\" }}\n\
         probation = {{ records = 200, time = \"2s\" }}\n\
         [[pipeline.stage]]\nplugin = \"format.wasm\"\ngrant = [\"random\"]\n\
         [[pipeline.stage]]\nplugin = \"validate.wasm\"\nconfig = {{ required = [\"id\"], rules = [{rule}] }}\n"
    )
}

/// A folder with the two plugins as files.
pub fn folder(rate: u64, rule: &str, more: &str) -> Folder {
    let folder = Folder::with(&config(rate, rule, more));
    for (name, file) in [("format-user", "format.wasm"), ("validate", "validate.wasm")] {
        folder.build_plugin(plugin(name), file);
    }
    folder
}

/// The same component with another hash: a custom section (WebAssembly 2.0, section 5.5.3) with a number is appended.
pub fn another_version(component: &[u8], number: u32) -> Vec<u8> {
    let mut bytes = component.to_vec();
    bytes.extend_from_slice(&[0, 9, 4]);
    bytes.extend_from_slice(b"test");
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes
}

/// Writes beside and renames, as careful programs do.
pub fn replace(folder: &Folder, name: &str, bytes: &[u8]) {
    folder.write("new", bytes);
    std::fs::rename(folder.path("new"), folder.path(name)).expect("renaming");
}

fn rows(folder: &Folder) -> usize {
    folder.json_lines("out.jsonl").len()
}

/// Every record of the generator, from the first to the last one read, is in the table or in the dead letters, once.
fn nothing_is_lost_or_twice(folder: &Folder, process: Process) {
    let ended = process.stop(Signal::Terminate, STOP);
    ended.assert(0, &["nothing lost"]);
    let mut offsets: Vec<u64> =
        folder.json_lines("out.jsonl").iter().map(|line| line["offset"].as_u64().expect("an offset")).collect();
    offsets.extend(folder.json_lines("dead.jsonl").iter().map(|letter| {
        letter["headers"]["millstream.source.offset"].as_str().expect("a header").parse::<u64>().expect("a number")
    }));
    offsets.sort_unstable();
    let expected: Vec<u64> = (0..offsets.len() as u64).collect();
    assert!(offsets == expected, "records are lost or twice among {}", offsets.len());
}

fn versions(folder: &Folder) -> Vec<serde_json::Value> {
    folder.json_lines(".millstream/state/p/versions.jsonl")
}

/// The first offset that each entry of the log of versions handled.
fn since(entry: &serde_json::Value) -> i64 {
    entry["since"][0][1].as_i64().unwrap_or(0)
}

#[test]
fn a_plugin_is_swapped_under_load_however_its_file_is_written() {
    let folder = folder(5_000, "", "");
    let component = std::fs::read(folder.path("validate.wasm")).expect("the component");
    let mut process = folder.start(&["run"]);
    process.until("first row", PATIENCE, || rows(&folder) > 0);
    for number in 1..=6 {
        let version = another_version(&component, number);
        match number % 3 {
            0 => folder.write("validate.wasm", &version),
            1 => replace(&folder, "validate.wasm", &version),
            _ => {
                // A symlink that is swapped, as a mounted ConfigMap's.
                folder.write(&format!("v{number}.wasm"), &version);
                std::os::unix::fs::symlink(format!("v{number}.wasm"), folder.path("link")).expect("a link");
                std::fs::rename(folder.path("link"), folder.path("validate.wasm")).expect("renaming");
            }
        }
        process.until("next version", PATIENCE, || versions(&folder).len() == number as usize + 1);
    }
    nothing_is_lost_or_twice(&folder, process);
    let versions = versions(&folder);
    let hashes: BTreeSet<String> = versions.iter().map(|entry| entry["stages"][1]["sha256"].to_string()).collect();
    assert_eq!(hashes.len(), 7, "each ran");
    assert!(versions.iter().zip(&versions[1..]).all(|(a, b)| since(a) <= since(b)), "in order: {versions:?}");
}

#[test]
fn a_stricter_rule_goes_live_and_one_that_rejects_everything_is_put_back() {
    let folder = folder(2_000, "", "");
    let mut process = folder.start(&["run"]);
    process.until("first row", PATIENCE, || rows(&folder) > 0);

    folder.write("pipeline.toml", config(2_000, "{ field = \"gender\", one_of = [\"male\"] }", ""));
    process.until_it_says(&["new version live"], PATIENCE);
    let dead = || folder.json_lines("dead.jsonl");
    process.until("dead letter", PATIENCE, || !dead().is_empty());
    assert!(dead().iter().all(|letter| letter["headers"]["millstream.reason"] == "bad_gender"));

    folder.write("pipeline.toml", config(2_000, "{ field = \"email\", pattern = \"^never$\" }", ""));
    process.until_it_says(&["the new version is put back"], PATIENCE);
    let put_back = versions(&folder).into_iter().find(|entry| entry["event"] == "put back").expect("it is logged");
    assert!(put_back["why"].as_str().is_some_and(|why| why.contains("that the version before it takes")));
    let before = rows(&folder);
    process.until("rows by the old version", PATIENCE, || rows(&folder) > before + 200);
    assert!(
        dead().iter().all(|letter| letter["headers"]["millstream.reason"] == "bad_gender"),
        "nothing that only the broken version rejected was written anywhere"
    );
    nothing_is_lost_or_twice(&folder, process);
}

#[test]
fn what_is_wrong_is_refused_with_its_reason_and_what_runs_goes_on() {
    let folder = folder(500, "", "");
    let good = std::fs::read(folder.path("validate.wasm")).expect("the component");
    let mut process = folder.start(&["run"]);
    process.until("first row", PATIENCE, || rows(&folder) > 0);
    let text = config(500, "", "");
    for (file, content, said) in [
        ("pipeline.toml", &text.as_bytes()[..text.len() - 10], "not reloaded, what runs goes on"),
        ("pipeline.toml", b"[[pipeline]]\nname = \"p\"\nsauce = 1\n", "`sauce` is not a setting"),
        ("pipeline.toml", config(500, "{ field = \"email\", format = \"emale\" }", "").as_bytes(), "emale"),
        ("validate.wasm", b"no component", "it does not begin as WebAssembly does"),
        ("validate.wasm", &good[..good.len() / 2], "is not a WebAssembly component"),
    ] {
        folder.write(file, content);
        process.until_it_says(&[said], PATIENCE);
        let before = rows(&folder);
        process.until("row after it", PATIENCE, || rows(&folder) > before);
        folder.write("pipeline.toml", &text);
        replace(&folder, "validate.wasm", &good);
    }
    assert_eq!(versions(&folder).len(), 1, "nothing was swapped");
    nothing_is_lost_or_twice(&folder, process);
}

#[test]
fn a_candidate_that_asks_for_more_than_is_granted_is_refused_until_it_is_granted() {
    let folder = folder(500, "", "");
    folder.run(&["plugin", "build", &plugin("dedup"), "--out", "dedup.wasm"]).assert(0, &[]);
    let mut process = folder.start(&["run"]);
    process.until("first row", PATIENCE, || rows(&folder) > 0);
    // The file of a stage that was granted nothing is replaced by a plugin that keeps state.
    let dedup = std::fs::read(folder.path("dedup.wasm")).expect("the component");
    let validate = std::fs::read(folder.path("validate.wasm")).expect("the component");
    replace(&folder, "validate.wasm", &dedup);
    process.until_it_says(&["the plugin `validate` asks for `state`", "add `grant = [\"state\"]`"], PATIENCE);
    let before = rows(&folder);
    process.until("row by the old version", PATIENCE, || rows(&folder) > before);
    assert_eq!(versions(&folder).len(), 1, "nothing was swapped");

    replace(&folder, "validate.wasm", &validate);
    let granted = config(500, "", "") + "[[pipeline.stage]]\nplugin = \"dedup.wasm\"\ngrant = [\"state\"]\n";
    folder.write("pipeline.toml", granted);
    process.until("swap", PATIENCE, || versions(&folder).len() == 2);
    nothing_is_lost_or_twice(&folder, process);
}

#[test]
fn pipelines_come_go_and_change_and_the_others_are_not_restarted() {
    let folder = folder(500, "", "");
    let two = |to: &str| {
        format!(
            "{}\n[[pipeline]]\nname = \"q\"\nsource = {{ url = \"generator:users\", rate = 100 }}\n\
             sink = {{ url = \"file:{to}\" }}\ndead_letters = {{ url = \"file:q.dead\" }}\n",
            config(500, "", "")
        )
    };
    let mut process = folder.start(&["run"]);
    process.until("first row", PATIENCE, || rows(&folder) > 0);
    folder.write("pipeline.toml", two("q1.jsonl"));
    process.until("row of the new pipeline", PATIENCE, || !folder.json_lines("q1.jsonl").is_empty());
    folder.write("pipeline.toml", two("q2.jsonl"));
    process.until("row at its new sink", PATIENCE, || !folder.json_lines("q2.jsonl").is_empty());
    let q1 = folder.json_lines("q1.jsonl");
    folder.write("pipeline.toml", config(500, "", ""));
    process.until_it_says(&["removed"], PATIENCE);
    let all: Vec<_> =
        q1.into_iter().chain(folder.json_lines("q2.jsonl")).map(|user| user["login"]["uuid"].to_string()).collect();
    let unique: BTreeSet<&String> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "it went on where it had stopped");
    assert_eq!(versions(&folder).len(), 1, "the other one was left alone");
    nothing_is_lost_or_twice(&folder, process);
}

#[test]
fn a_reload_can_be_asked_for_by_signal_or_by_request_and_answers_with_what_happened() {
    let admin = "[host]\nadmin = \"127.0.0.1:0\"\n";
    let folder = folder(500, "", admin);
    let mut process = folder.start(&["run", "--no-watch"]);
    process.until("first row", PATIENCE, || rows(&folder) > 0);
    assert!(ask(&process, "GET /healthz").starts_with("HTTP/1.1 200"));
    assert!(ask(&process, "POST /reload").contains("unchanged"));
    eventually("a commit", PATIENCE, || !ask(&process, "GET /pipelines").contains("\"consumed\":0"));
    let meter = ask(&process, "GET /pipelines");
    assert!(meter.contains("\"unaccounted_for\":0") && !meter.contains("\"consumed\":0"), "{meter}");

    folder.write("pipeline.toml", config(500, "{ field = \"gender\", one_of = [\"female\"] }", admin));
    let answer = ask(&process, "POST /reload");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("swapped"), "{answer}");
    assert!(ask(&process, "GET /versions").matches("sha256").count() >= 4);

    folder.write("pipeline.toml", "nonsense");
    let answer = ask(&process, "POST /reload");
    assert!(answer.starts_with("HTTP/1.1 409") && answer.contains("toml-syntax"), "{answer}");

    folder.write("pipeline.toml", config(500, "", admin));
    process.signal(Signal::Hangup);
    process.until("swap", PATIENCE, || versions(&folder).len() == 3);
    nothing_is_lost_or_twice(&folder, process);
}

#[test]
fn a_candidate_whose_own_samples_fail_is_refused_with_their_lines_and_counted() {
    let admin = "[host]\nadmin = \"127.0.0.1:0\"\n";
    let folder = folder(500, "", admin);
    let sample = |outcome: &str| {
        format!(
            "config = {{}}\n\n[[sample]]\nname = \"no id\"\nvalue = '{{\"email\": \"a@b.c\"}}'\nreject = \"{outcome}\"\n"
        )
    };
    folder.write("validate.samples.toml", sample("missing_field"));
    folder.run(&["check"]).assert(0, &[]);
    let mut process = folder.start(&["run"]);
    process.until("first row", PATIENCE, || rows(&folder) > 0);
    let component = std::fs::read(folder.path("validate.wasm")).expect("the component");
    folder.write("validate.samples.toml", sample("no_id"));
    replace(&folder, "validate.wasm", &another_version(&component, 1));
    let line =
        "validate.samples.toml:3: sample (no id): expected to be rejected (`no_id`), was rejected (`missing_field";
    process.until_it_says(&["not reloaded, what runs goes on", line], PATIENCE);
    assert_eq!(versions(&folder).len(), 1, "nothing was swapped");
    // Said first, counted then.
    let counted = || {
        let figures = ask(&process, "GET /pipelines");
        !figures.contains("\"refused\":0") && figures.contains("own samples fail")
    };
    eventually("the refusal is counted", PATIENCE, counted);
    assert!(ask(&process, "GET /pipelines").contains("\"swapped\":0"));
    folder.run(&["check"]).assert(2, &["plugin-samples", line]);

    folder.write("validate.samples.toml", sample("missing_field"));
    process.until("swap", PATIENCE, || versions(&folder).len() == 2);
    let counted = |process: &Process| ask(process, "GET /pipelines").contains("\"swapped\":1");
    eventually("it is counted", PATIENCE, || counted(&process));
    nothing_is_lost_or_twice(&folder, process);
}

/// A pipeline over a file that grows, with a stage that counts values in its state.
fn counting(stage: &str, probation: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"p\"\nsource = {{ url = \"file:in\", follow = true }}\nsink = {{ url = \"file:out\" }}\n\
         dead_letters = {{ url = \"file:dead\" }}\nprobation = {{ {probation} }}\n\
         [[pipeline.stage]]\nplugin = \"counts.wasm\"\ngrant = [\"state\"]\nconfig = {{ {stage} }}\n"
    )
}

#[test]
fn state_goes_over_to_a_version_that_takes_it_over_stays_through_a_restart_and_is_never_given_to_an_older_one() {
    let folder = Folder::with(&counting("state = 1", "records = 3"));
    let guest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/counts");
    folder.run(&["plugin", "build", &guest.display().to_string(), "--out", "counts.wasm"]).assert(0, &[]);
    let append = |lines: &str| {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(folder.path("in")).expect("opening");
        file.write_all(lines.as_bytes()).expect("appending");
    };
    let lines = |file: &str| std::fs::read_to_string(folder.path(file)).unwrap_or_default();
    append("a\nb\na\n");
    let mut process = folder.start(&["run"]);
    process.until("first rows", PATIENCE, || lines("out") == "a 1\nb 1\na 2\n");

    folder.write("pipeline.toml", counting("state = 2, stubborn = true", "records = 3"));
    process.until_it_says(&["state of version 1 cannot be taken over by version 2", "is not for me"], PATIENCE);
    append("a\n");
    process.until("row by the old version", PATIENCE, || lines("out").ends_with("a 3\n"));

    // One that takes over but rejects everything is put back, to the state as it was, and runs nothing twice.
    folder.write("pipeline.toml", counting("state = 2, rejects = true", "records = 3"));
    process.until_it_says(&["new version live"], PATIENCE);
    append("a\nb\nc\n");
    process.until_it_says(&["the new version is put back"], PATIENCE);
    process.until("rows by the old version", PATIENCE, || lines("out").ends_with("a 4\nb 2\nc 1\n"));
    assert_eq!(lines("dead"), "");

    folder.write("pipeline.toml", counting("state = 2", "records = 2"));
    process
        .until("swap", PATIENCE, || versions(&folder).iter().filter(|entry| entry["event"] == "swapped").count() == 2);
    append("a\nb\n");
    process.until("rows by the new version", PATIENCE, || lines("out").ends_with("a 5\nb 3\n"));
    folder.write("pipeline.toml", counting("state = 1", "records = 2"));
    process
        .until_it_says(&["the plugin is made for state of version 1, and the running one keeps version 2"], PATIENCE);
    append("c\n");
    process.until("row by the newer version", PATIENCE, || lines("out").ends_with("c 2\n"));
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);

    let refused = folder.run(&["run", "--for", "1s", "--no-watch"]);
    refused.assert(1, &["stage `counts` has kept state of version 2, and its plugin is made for version 1"]);
    folder.write("pipeline.toml", counting("state = 2", "records = 2"));
    append("c\n");
    let mut process = folder.start(&["run"]);
    process.until("row after a restart", PATIENCE, || lines("out").ends_with("c 3\n"));
    process.stop(Signal::Kill, STOP);
    append("a\n");
    let mut process = folder.start(&["run"]);
    process.until("row after a kill", PATIENCE, || lines("out").ends_with("a 6\n"));
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}
