//! The folder of the state: in use by another process, or damaged.

use std::path::PathBuf;

use millstream_tests::process::{Folder, PATIENCE, STOP, Signal};

use super::FROM_GENERATOR;

/// A folder after a run of many commits, and the largest segment of its changelog.
fn with_state() -> (Folder, PathBuf) {
    let config = FROM_GENERATOR.replace("records = 300", "records = 300, batch_records = 10");
    let folder = Folder::with(&format!("{config}sink = {{ url = \"discard:\" }}"));
    folder.run(&["run"]).assert(0, &["nothing lost: 300 consumed"]);
    let files = std::fs::read_dir(folder.path(".millstream/state/p")).expect("a folder of state");
    let files = files.map(|file| file.expect("a file").path());
    let segment = files.max_by_key(|path| path.metadata().expect("a file").len()).expect("a segment");
    (folder, segment)
}

#[test]
fn a_second_process_on_the_same_state_is_refused() {
    let config = FROM_GENERATOR.replace("records = 300", "rate = 100");
    let folder = Folder::with(&format!("{config}sink = {{ url = \"file:out.jsonl\" }}"));
    let mut first = folder.start(&["run"]);
    first.until("record stored", PATIENCE, || !folder.read("out.jsonl").is_empty());
    folder.run(&["run"]).assert(1, &["another process uses the state in `.millstream/state/p`", "`data_dir`"]);
    first.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}

#[test]
fn a_corrupted_segment_is_named_with_the_byte() {
    let (folder, segment) = with_state();
    let mut bytes = std::fs::read(&segment).expect("reading the segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&segment, bytes).expect("writing the segment");
    let name = segment.file_name().and_then(|name| name.to_str()).expect("a name");
    folder
        .run(&["run"])
        .assert(1, &[name, "is damaged at byte", "restore the file from a backup, or move the folder away"]);
}

#[test]
fn a_file_that_is_no_segment_is_named() {
    let (folder, segment) = with_state();
    std::fs::write(&segment, "hello").expect("writing the segment");
    let name = segment.file_name().and_then(|name| name.to_str()).expect("a name");
    folder.run(&["run"]).assert(1, &[name, "is not a changelog of this version"]);
}

#[test]
fn a_torn_end_is_cut_off_and_said() {
    let (folder, segment) = with_state();
    let bytes = std::fs::read(&segment).expect("reading the segment");
    std::fs::write(&segment, &bytes[..bytes.len() - 3]).expect("writing the segment");
    folder.run(&["run"]).assert(0, &["cut off a frame that was not written whole", "nothing lost: 300 consumed"]);
}
