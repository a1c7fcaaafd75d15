//! A plugin as an author begins one: written into an empty folder, tested, built, run, and swapped when a file is saved.

use std::{path::PathBuf, process::Command};

use millstream_tests::process::{Ended, Folder, PATIENCE, Process, STOP, Signal, binary, plugin, repository};

/// A cold build of a plugin's dependencies takes minutes on a small machine.
const BUILDING: std::time::Duration = PATIENCE.saturating_mul(10);

const KINDS: [&str; 4] = ["filter", "map", "validate", "stateful"];

/// Where new plugins are built, so that what they depend on is compiled once for all of them, and again never.
fn target() -> PathBuf {
    binary().ancestors().nth(2).expect("it is in <target>/<profile>").join("new-plugins")
}

/// A command in the folder, which builds there.
fn command(folder: &Folder, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder.path("")).args(arguments).env("CARGO_TARGET_DIR", target());
    command
}

fn millstream(folder: &Folder, arguments: &[&str]) -> Process {
    Process::of(&mut command(folder, binary(), arguments))
}

/// Writes a new plugin of this kind.
fn new(folder: &Folder, name: &str, kind: &str) -> Ended {
    let ended = millstream(folder, &["plugin", "new", name, "--kind", kind]).wait(PATIENCE);
    // What it depends on is what this workspace depends on, so that nothing has to be fetched for the test.
    if ended.code == Some(0) {
        std::fs::copy(repository().join("Cargo.lock"), folder.path(name).join("Cargo.lock")).expect("copying the lock");
    }
    ended
}

#[test]
fn a_new_plugin_of_each_kind_passes_its_tests_and_its_samples_as_it_is() {
    let folder = Folder::with("");
    for kind in KINDS {
        let name = format!("my-{kind}");
        let ended = new(&folder, &name, kind);
        ended.assert(0, &["its SDK is the one in", "stands alone", "next:", "cargo test", "[[pipeline.stage]]"]);
        assert!(ended.stdout.contains(&format!("plugin = \"{name}\"")), "{}", ended.output());

        let mut tests = command(&folder, "cargo", &["test", "--quiet", "--manifest-path"]);
        tests.arg(folder.path(&name).join("Cargo.toml")).env("RUSTFLAGS", "--deny warnings");
        Process::of(&mut tests).wait(BUILDING).assert(0, &["test result: ok", "0 failed"]);
        let built = millstream(&folder, &["plugin", "build", &name]).wait(BUILDING);
        built.assert(0, &["built", "KiB", "sha256 "]);
        assert!(!built.output().contains("warning"), "{}", built.output());
        let tested = millstream(&folder, &["plugin", "test", &name]).wait(PATIENCE);
        tested.assert(0, &[" held, 0 failed"]);
        let inspected = millstream(&folder, &["plugin", "inspect", &name]).wait(PATIENCE);
        inspected.assert(0, &["contract  plugin@0.1.0", &format!("name      {name} 0.1.0")]);
        assert_eq!(inspected.stdout.contains("grant = [\"state\"]"), kind == "stateful", "{}", inspected.output());
    }
}

#[test]
fn what_is_there_is_never_overwritten_and_a_name_that_is_none_is_refused() {
    let folder = Folder::with("");
    folder.write("taken/src/lib.rs", "mine");
    folder.write("file", "mine");
    new(&folder, "taken", "filter").assert(2, &["`taken` is there already", "nothing was written"]);
    new(&folder, "file", "filter").assert(2, &["`file` is there already and is no folder"]);
    assert_eq!((folder.read("taken/src/lib.rs"), folder.read("file")), ("mine".to_owned(), "mine".to_owned()));
    assert!(!folder.path("taken/Cargo.toml").exists());
    for name in ["My-Filter", "2nd", "a b", "fn", "test", "..", "serde"] {
        new(&folder, name, "filter").assert(2, &["error: `"]);
        assert!(name == ".." || !folder.path(name).exists(), "{name}");
    }
    new(&folder, "odd", "odd").assert(2, &["odd", "stateful"]);
    std::fs::create_dir(folder.path("empty")).expect("making a folder");
    new(&folder, "empty", "map").assert(0, &["made `empty`"]);
    new(&folder, "empty", "map").assert(2, &["is not empty"]);
}

#[test]
fn a_plugin_in_a_workspace_is_a_member_of_it_or_stands_alone() {
    let folder = Folder::with("");
    folder.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"plugins/*\"]\n");
    new(&folder, "plugins/inside", "filter").assert(0, &["is a member of the workspace in"]);
    new(&folder, "outside", "filter").assert(0, &["it stands alone: the workspace in"]);
    for name in ["plugins/inside", "outside"] {
        let mut metadata = command(&folder, "cargo", &["metadata", "--no-deps", "--format-version", "1"]);
        metadata.arg("--manifest-path").arg(folder.path(name).join("Cargo.toml"));
        Process::of(&mut metadata).wait(PATIENCE).assert(0, &["\"workspace_members\""]);
    }
}

#[test]
fn a_running_host_takes_a_new_plugins_folder_and_each_saved_change_of_it() {
    let folder = Folder::with(
        "[[pipeline]]\nname = \"p\"\nsource = { url = \"generator:users\", rate = 500, batch_records = 50 }\n\
         sink = { url = \"file:out.jsonl\" }\ndead_letters = { url = \"file:dead.jsonl\" }\n\
         [[pipeline.stage]]\nplugin = \"format.wasm\"\ngrant = [\"random\"]\n\
         [[pipeline.stage]]\nplugin = \"recent\"\nconfig = { since = \"2015\" }\n",
    );
    folder.build_plugin(plugin("format-user"), "format.wasm");
    new(&folder, "recent", "filter").assert(0, &[]);
    let run = &["run", "--log-format", "text", "--summary", "json"];
    let mut process = millstream(&folder, run);
    process.until("first row", BUILDING, || !folder.json_lines("out.jsonl").is_empty());

    // A change that the plugin's own samples do not agree with is refused, and what runs goes on.
    let source = folder.read("recent/src/lib.rs");
    folder.write("recent/src/lib.rs", source.replace("too_old", "too_early"));
    process.until_it_says(&["the plugin's own samples fail", "was dropped (`too_early`)"], BUILDING);
    let rows = folder.json_lines("out.jsonl").len();
    process.until("100 more rows", PATIENCE, || folder.json_lines("out.jsonl").len() > rows + 100);

    folder.write("recent/samples.toml", folder.read("recent/samples.toml").replace("too_old", "too_early"));
    process.until_it_says(&["new version live: stage `recent`"], BUILDING);
    let rows = folder.json_lines("out.jsonl").len();
    process.until("100 more rows", PATIENCE, || folder.json_lines("out.jsonl").len() > rows + 100);
    let ended = process.stop(Signal::Terminate, STOP);
    ended.assert(0, &["\"too_old\"", "\"too_early\"", "\"unaccounted_for\":0"]);
}

/// The examples are what is written for an author, file by file; `MILLSTREAM_UPDATE_GOLDEN=1` writes them anew.
#[test]
fn the_examples_are_what_is_written_for_an_author() {
    let root = repository();
    for lang in ["rust", "python", "javascript"] {
        // As deep in the repository as the examples are, so that what lies around it is the same.
        let (name, place) = (format!("recent-users-{lang}"), root.join("target"));
        let (written, example) = (place.join(&name), root.join("examples").join(&name));
        if written.exists() {
            std::fs::remove_dir_all(&written).expect("removing what an earlier test wrote");
        }
        Process::start(&place, &["plugin", "new", &name, "--lang", lang])
            .wait(PATIENCE)
            .assert(0, &["made `recent-users-"]);
        if std::env::var("MILLSTREAM_UPDATE_GOLDEN").as_deref() == Ok("1") {
            let mut copy = Command::new("cp");
            copy.arg("-rT").args([&written, &example]);
            Process::of(&mut copy).wait(PATIENCE).assert(0, &[]);
        }
        let mut compare = Command::new("diff");
        compare.args([
            "--recursive",
            "--exclude=target",
            "--exclude=Cargo.lock",
            "--exclude=node_modules",
            "--exclude=.venv",
        ]);
        compare.args(["--exclude=__pycache__", "--exclude=package-lock.json"]).args([&example, &written]);
        Process::of(&mut compare).wait(PATIENCE).assert(0, &[]);
    }
}
