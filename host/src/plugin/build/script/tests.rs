//! Projects in other languages, built by a stand-in for the tools, which writes what it is told to: the tools themselves are tried end to end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::plugin::build::{BuildError, build};

const MANIFEST: &str = "[project]\nname = \"p\"\nversion = \"1.2.3\"\n[tool.millstream]\nstate = true\n";

/// A project in Python with a tool that notes its arguments and copies a component, or fails.
fn project(tool: &str) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(".venv/bin/componentize-py");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{tool}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(temp.path().join("component"), wat::parse_str("(component)").unwrap()).unwrap();
    fs::write(temp.path().join("pyproject.toml"), MANIFEST).unwrap();
    fs::write(temp.path().join("plugin.py"), "one").unwrap();
    fs::create_dir(temp.path().join("rules")).unwrap();
    fs::write(temp.path().join("rules/dates.py"), "one").unwrap();
    fs::write(temp.path().join("test_plugin.py"), "one").unwrap();
    temp
}

/// Leaves its arguments, and the entry, in the project's folder.
fn copying() -> String {
    "root=../../..\necho \"$@\" > $root/arguments\ncat millstream_entry.py > $root/entry\n\
     while [ \"$1\" != --output ]; do shift; done\ncp $root/component \"$2\""
        .to_owned()
}

#[test]
fn a_project_is_built_once_and_again_when_a_source_changes() {
    let temp = project(&copying());
    let real = temp.path().canonicalize().unwrap();
    let built = build(temp.path(), &mut |_| {}).unwrap();
    assert!(!built.fresh && built.wasm == real.join("target/plugins/p.component.wasm"), "{built:?}");
    assert_eq!(built.sources, ["plugin.py", "pyproject.toml", "rules/dates.py"].map(|name| real.join(name)));
    let arguments = fs::read_to_string(temp.path().join("arguments")).unwrap();
    assert!(arguments.contains("--world script-with-state componentize --stub-wasi"), "{arguments}");
    let entry = fs::read_to_string(temp.path().join("entry")).unwrap();
    assert_eq!(entry, "import plugin\nimport millstream\n\nStage = millstream.stage(\"p\", \"1.2.3\")\n");

    assert!(build(temp.path(), &mut |event| panic!("{event:?}")).unwrap().fresh);
    fs::write(temp.path().join("test_plugin.py"), "two").unwrap();
    assert!(build(temp.path(), &mut |_| {}).unwrap().fresh, "a test is no source");
    fs::write(temp.path().join("rules/dates.py"), "two").unwrap();
    assert!(!build(temp.path(), &mut |_| {}).unwrap().fresh);
}

#[test]
fn what_the_tool_says_is_passed_on() {
    let temp = project("echo 'plugin.py, line 3: SyntaxError' >&2; exit 1");
    let message = build(temp.path(), &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("cannot build the plugin") && message.contains("plugin.py, line 3"), "{message}");
    let temp = project("cp ../../../plugin.py \"$(echo \"$@\" | sed 's/.*--output \\([^ ]*\\).*/\\1/')\"");
    let message = build(temp.path(), &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("made no component"), "{message}");
}

#[test]
fn a_manifest_that_says_too_little_or_too_much_is_refused() {
    for manifest in [
        "[project]\nname = \"p\"\n".to_owned(),
        MANIFEST.replace("\"p\"", "\"../p\""),
        MANIFEST.replace("state = true", "module = \"../x\""),
        MANIFEST.replace("state", "stat"),
    ] {
        let temp = project(&copying());
        fs::write(temp.path().join("pyproject.toml"), &manifest).unwrap();
        let error = build(temp.path(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, BuildError::BadManifest { .. }), "{manifest}: {error}");
    }
}

#[test]
fn a_package_of_javascript_names_its_module() {
    let temp = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        fs::write(temp.path().join("package.json"), text).unwrap();
        Manifest::read(Language::JavaScript, temp.path()).unwrap()
    };
    let plain = read(r#"{"name": "p", "version": "1.0.0", "type": "module"}"#);
    assert_eq!((plain.module.as_str(), plain.keeps_state), ("plugin.js", false));
    let more = read(r#"{"name": "p", "version": "1.0.0", "main": "./src/x.js", "millstream": {"state": true}}"#);
    assert_eq!((more.module.as_str(), more.keeps_state), ("src/x.js", true));
    assert_eq!(Language::of(temp.path()), Some(Language::JavaScript));
    fs::write(temp.path().join("Cargo.toml"), "").unwrap();
    assert_eq!(Language::of(temp.path()), None, "a crate is one, whatever else is beside it");
}

#[test]
fn the_contract_and_the_worlds_are_one_package() {
    let temp = project(&copying());
    build(temp.path(), &mut |_| {}).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(temp.path().join("target/plugins/p.build/wit")).unwrap();
    for world in ["script", "script-with-state"] {
        resolve.select_world(&[package], Some(world)).unwrap();
    }
}
