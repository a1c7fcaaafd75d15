//! Files and folders that are not what they should be.

use millstream_tests::process::{Folder, PATIENCE, STOP, Signal};

use super::{FROM_FILE, FROM_GENERATOR};

#[test]
fn a_data_dir_that_cannot_be_made_is_named() {
    let config = format!("host = {{ data_dir = \"occupied\" }}{FROM_GENERATOR}sink = {{ url = \"discard:\" }}");
    let folder = Folder::with(&config);
    folder.write("occupied", "a file where the folder should be");
    folder.run(&["run"]).assert(1, &["FAILED: cannot create `occupied/state/p`"]);
}

#[test]
fn a_data_dir_that_cannot_hold_the_log_is_named() {
    let folder = Folder::with(
        "host = { data_dir = \"occupied\" }\n[[pipeline]]\nname = \"p\"\nsource = { url = \"log:users\" }\n\
         sink = { url = \"discard:\" }",
    );
    folder.write("occupied", "a file where the folder should be");
    folder.run(&["run"]).assert(1, &["FAILED: sink `log:users.dead_letters`", "the folder `occupied`"]);
}

#[test]
fn a_source_file_that_is_not_there_is_named() {
    let folder = Folder::with(&format!("{FROM_FILE}sink = {{ url = \"discard:\" }}"));
    folder.run(&["run"]).assert(1, &["FAILED: source `file:in.jsonl`: cannot open `in.jsonl`: No such file"]);
}

#[test]
fn a_source_file_that_is_a_folder_is_told_so() {
    let folder = Folder::with(&format!("{FROM_FILE}sink = {{ url = \"discard:\" }}"));
    std::fs::create_dir(folder.path("in.jsonl")).expect("making a folder");
    folder.run(&["run"]).assert(1, &["source `file:in.jsonl`", "is a folder"]);
}

#[test]
fn a_followed_file_that_is_not_there_yet_is_waited_for() {
    let config = FROM_FILE.replace("in.jsonl\"", "in.jsonl\", follow = true");
    let folder = Folder::with(&format!("{config}sink = {{ url = \"file:out.jsonl\" }}"));
    let mut process = folder.start(&["run"]);
    process.until_it_says(&["cannot open `in.jsonl`", "trying again"], PATIENCE);
    folder.write("in.jsonl", "{\"id\":1}\n");
    process.until("record stored", PATIENCE, || folder.read("out.jsonl") == "{\"id\":1}\n");
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost: 1 consumed = 1 written"]);
}

#[test]
fn a_sink_file_that_is_a_folder_is_told_so() {
    let folder = Folder::with(&format!("{FROM_GENERATOR}sink = {{ url = \"file:out\" }}"));
    std::fs::create_dir(folder.path("out")).expect("making a folder");
    folder.run(&["run"]).assert(1, &["sink `file:out`: cannot open `out` for appending"]);
}

#[test]
fn a_topic_of_the_log_that_is_not_there_yet_is_waited_for() {
    let reader = Folder::with(
        "[[pipeline]]\nname = \"p\"\nsource = { url = \"log:later\" }\nsink = { url = \"file:out.jsonl\" }\n",
    );
    let mut process = reader.start(&["run"]);
    process.until("output file", PATIENCE, || reader.path("out.jsonl").exists());
    reader.write(
        "writer.toml",
        "[[pipeline]]\nname = \"w\"\nsource = { url = \"generator:users\", records = 7 }\nsink = { url = \"log:later\" }\n",
    );
    reader.run(&["run", "writer.toml"]).assert(0, &["nothing lost: 7 consumed = 7 written"]);
    process.until("7 records", PATIENCE, || reader.json_lines("out.jsonl").len() == 7);
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost: 7 consumed = 7 written"]);
}
