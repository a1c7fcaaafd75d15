//! The folder of the state: in use by another process, or damaged.

use std::{path::PathBuf, process::Command};

use millstream_tests::process::{Folder, PATIENCE, Process, STOP, Signal, binary};

use super::FROM_GENERATOR;

/// A folder after a run of many commits, and the largest segment of its changelog.
fn with_state() -> (Folder, PathBuf) {
    let config = FROM_GENERATOR.replace("records = 300", "records = 300, batch_records = 10");
    let folder = Folder::with(&format!("{config}commit_interval = \"0s\"\nsink = {{ url = \"discard:\" }}"));
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
    folder
        .run(&["run"])
        .assert(1, &[name, "is no changelog, although its name says so; restore the file from a backup"]);
}

#[test]
fn a_torn_end_is_cut_off_and_said() {
    let (folder, segment) = with_state();
    let bytes = std::fs::read(&segment).expect("reading the segment");
    std::fs::write(&segment, &bytes[..bytes.len() - 3]).expect("writing the segment");
    folder.run(&["run"]).assert(0, &["cut off a frame that was not written whole", "nothing lost: 300 consumed"]);
}

#[test]
fn a_segment_of_another_version_is_named_and_what_can_be_done_is_said() {
    let (folder, segment) = with_state();
    let mut bytes = std::fs::read(&segment).expect("a segment");
    bytes[..8].copy_from_slice(b"MSCLOG00");
    std::fs::write(&segment, bytes).expect("writing");
    let name = segment.file_name().and_then(|name| name.to_str()).expect("a name");
    folder.run(&["run"]).assert(
        1,
        &[name, "has changelog format 00, and this version reads format 01; go on with the version that wrote it"],
    );
}

#[test]
fn a_segment_that_ends_early_with_later_ones_behind_it_is_named() {
    let (folder, segment) = with_state();
    // Another run makes another segment.
    folder.run(&["run", "--for", "200ms"]).assert(0, &[]);
    let length = std::fs::metadata(&segment).expect("a segment").len();
    std::fs::OpenOptions::new().write(true).open(&segment).and_then(|file| file.set_len(length - 3)).expect("cutting");
    let name = segment.file_name().and_then(|name| name.to_str()).expect("a name");
    folder.run(&["run"]).assert(1, &[name, "is damaged at byte", "restore the file from a backup"]);
}

/// A host whose folder `small` is a disk made by `mount`, in a mount namespace of its own. `None`, said loudly, where the
/// machine allows none.
fn on_a_disk(folder: &Folder, mount: &str) -> Option<Process> {
    std::fs::create_dir(folder.path("small")).expect("a folder");
    let tried = Command::new("unshare").args(["-rm", "sh", "-c", mount]).current_dir(folder.path("")).status();
    if !tried.is_ok_and(|status| status.success()) {
        millstream_tests::skip("`unshare -rm` and `mount`, which make a disk, are not allowed here");
        return None;
    }
    let script = format!("{mount} && exec '{}' run --log-format text", binary().display());
    Some(Process::of(Command::new("unshare").args(["-rm", "sh", "-c", &script]).current_dir(folder.path(""))))
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named_with_what_can_be_done() {
    let host = "host = { data_dir = \"small/data\" }";
    let folder = Folder::with(&format!("{host}{FROM_GENERATOR}sink = {{ url = \"discard:\" }}"));
    let Some(process) = on_a_disk(&folder, "mount -t tmpfs -o ro tmpfs small") else { return };
    let words = ["FAILED: cannot create `small/data/state/p`", "let this user write there, or name another `data_dir`"];
    process.wait(PATIENCE).assert(1, &words);
}

#[test]
fn a_full_disk_is_waited_out_and_nothing_is_lost() {
    let folder = Folder::with(
        "[host]\ndata_dir = \"small/data\"\n[[pipeline]]\nname = \"p\"\ndead_letters = { url = \"file:dead.jsonl\" }\n\
         commit_interval = \"0s\"\nsource = { url = \"generator:users\", rate = 20000, batch_records = 100, records = 60000 }\n\
         sink = { url = \"file:out.jsonl\" }\n",
    );
    let mount = "mount -t tmpfs -o size=600k tmpfs small && head -c 572k /dev/zero > small/filler";
    let Some(process) = on_a_disk(&folder, mount) else { return };
    let words = ["cannot append to", "make room on its disk", "No space left on device", "trying again"];
    process.until_it_says(&words, PATIENCE);
    // The process's own view of its files.
    let filler = format!("/proc/{}/root{}", process.id(), folder.path("small/filler").display());
    std::fs::remove_file(filler).expect("making room");
    process.wait(PATIENCE).assert(0, &["nothing lost: 60,000 consumed = 60,000 written"]);
    assert_eq!(folder.json_lines("out.jsonl").len(), 60_000, "and nothing is written twice");
}
