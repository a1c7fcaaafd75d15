//! What is no plugin, or a plugin that does not want its configuration: told at its line, exit code 2.

use millstream_tests::process::{Folder, PATIENCE, plugin};

use super::FROM_GENERATOR;

/// A cold build of a plugin takes minutes on a small machine.
const BUILDING: std::time::Duration = PATIENCE.saturating_mul(10);

/// A folder whose only stage is on line 7; what the stage says begins in column 12.
fn with_stage(stage: &str) -> Folder {
    Folder::with(&format!("{FROM_GENERATOR}sink = {{ url = \"discard:\" }}\nstage = [{{ {stage} }}]\n"))
}

/// What is refused where the plugin is this file with these bytes.
#[track_caller]
fn refused(file: &str, bytes: Option<&[u8]>, words: &[&str]) {
    let folder = with_stage(&format!("plugin = \"{file}\""));
    if let Some(bytes) = bytes {
        folder.write(file, bytes);
    }
    let ended = folder.run(&["run"]);
    ended.assert(2, &["pipeline.toml:7:21: error[plugin-", file]);
    ended.assert(2, words);
    assert!(!folder.path(".millstream").exists(), "something was started");
}

#[test]
fn a_plugin_that_is_not_there_is_named() {
    refused("nope.wasm", None, &["there is no plugin at `nope.wasm`", "name a `.wasm` file, or the folder"]);
}

#[test]
fn a_text_file_is_no_component() {
    refused("text.wasm", Some(b"hello\n"), &["is not a WebAssembly component", "millstream plugin build"]);
}

#[test]
fn an_empty_file_is_no_component() {
    refused("empty.wasm", Some(b""), &["is not a WebAssembly component", "millstream plugin build"]);
}

#[test]
fn a_torn_module_is_no_component() {
    refused("torn.wasm", Some(b"\0asm\x01\0\0\0\x01\x02"), &["is not a WebAssembly component"]);
}

#[test]
fn a_core_module_that_speaks_no_contract_is_no_plugin() {
    refused("core.wasm", Some(b"\0asm\x01\0\0\0"), &["no Millstream plugin", "does not export `millstream:plugin/"]);
}

#[test]
fn a_component_of_something_else_is_no_plugin() {
    refused("other.wasm", Some(b"\0asm\x0d\0\x01\0"), &["no Millstream plugin", "does not export `millstream:plugin/"]);
}

#[test]
fn a_folder_without_a_crate_is_no_plugin() {
    let folder = with_stage("plugin = \"empty\"");
    std::fs::create_dir(folder.path("empty")).expect("making a folder");
    folder.run(&["run"]).assert(2, &["pipeline.toml:7:21: error[plugin-build]", "`Cargo.toml`"]);
}

#[test]
fn what_a_stage_does_not_grant_is_told_with_the_line_to_add() {
    for (name, lacks) in [("dedup", "state"), ("format-user", "random")] {
        let folder = with_stage(&format!("plugin = \"{}\"", plugin(name)));
        let line = format!("add `grant = [\"{lacks}\"]`");
        let asks = format!("stage `{name}`: the plugin `{name}` asks for `{lacks}`");
        for verb in ["run", "check"] {
            let ended = folder.start(&[verb]).wait(BUILDING);
            ended.assert(2, &["pipeline.toml:7:10: error[not-granted]", &asks, &line]);
        }
        assert!(!folder.path(".millstream").exists(), "something was started");
    }
}

#[test]
fn a_configuration_that_the_plugin_refuses_is_told_at_its_line() {
    let path = plugin("validate");
    let folder = with_stage(&format!("config = {{ requird = [\"id\"] }}, plugin = \"{path}\""));
    for verb in ["run", "check"] {
        let ended = folder.start(&[verb]).wait(BUILDING);
        ended.assert(2, &["pipeline.toml:7:21: error[plugin-refused]: stage `validate`", "`requird`", "`required`"]);
    }
    assert!(!folder.path(".millstream").exists(), "something was started");
}
