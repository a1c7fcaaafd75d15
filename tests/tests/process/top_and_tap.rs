//! `millstream top` and `millstream tap` at a running host.

use millstream_tests::process::{Folder, PATIENCE, Process, STOP, Signal, eventually, repository};

use crate::admin::{address, hand_over};

/// A pipeline `p` whose stage `misbehave` does what the lines of a file say.
fn host() -> (Folder, Process) {
    let folder = Folder::with(
        "[host]\nadmin = \"127.0.0.1:0\"\n[[pipeline]]\nname = \"p\"\nsource = { url = \"file:in.txt\", follow = true }\n\
         sink = { url = \"file:out.txt\" }\ndead_letters = { url = \"file:dead.jsonl\" }\n\
         [[pipeline.stage]]\nplugin = \"misbehave.wasm\"\ngrant = [\"state\"]\n",
    );
    folder.build_plugin(repository().join("tests/guests/misbehave"), "misbehave.wasm");
    folder.write("in.txt", "");
    let process = folder.start(&["run"]);
    (folder, process)
}

#[test]
fn a_tap_shows_what_a_stage_makes_of_the_records_that_are_wanted() {
    let (folder, process) = host();
    let at = address(&process);
    let tap =
        |more: &[&str]| folder.start(&[&["tap", "p/misbehave", "--admin", &at, "--format", "json"], more].concat());
    let tapping = tap(&["--limit", "4"]);
    let wanted = tap(&["--limit", "1", "--filter", "half"]);
    // Until both have come, some lines go by; each is a new one.
    let mut number = 0;
    eventually("both taps show something", PATIENCE, || {
        number += 1;
        hand_over(&folder, &format!("line {number}\nline {number}\nsplit\nreject no: {number}\n"));
        !tapping.output().is_empty() && !wanted.output().is_empty()
    });
    let ended = wanted.wait(PATIENCE);
    ended.assert(0, &["\"before\":\"split\"", "\"fate\":\"split\"", "[\"a half\",\"another half\"]"]);
    let ended = tapping.wait(PATIENCE);
    ended.assert(0, &[]);
    assert_eq!(ended.stdout.lines().count(), 4, "{}", ended.output());

    let nowhere = folder.run(&["tap", "nothing", "--admin", &at]);
    nowhere.assert(1, &["there is no such stage; there are: p/misbehave"]);
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
    folder.run(&["tap", "misbehave", "--admin", &at]).assert(1, &["cannot reach a host at 127.0.0.1:"]);
}

#[test]
fn top_prints_the_figures_once_where_there_is_no_terminal() {
    let (folder, process) = host();
    hand_over(&folder, "a\nb\nreject bad\u{1b}[31m: x\n");
    let at = address(&process);
    eventually("three records", PATIENCE, || {
        let ended = folder.run(&["top", "--admin", &at]);
        ended.assert(0, &["millstream ", "p: ", "nothing lost: "]);
        assert!(!ended.stdout.contains('\u{1b}'), "what a plugin says reaches the terminal: {}", ended.output());
        ended.stdout.contains("3 consumed = 2 written + 0 dropped + 1 dead-lettered")
    });
    process.stop(Signal::Terminate, STOP).assert(0, &[]);
}
