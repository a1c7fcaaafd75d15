//! Builds real crates with cargo. The plugins' target folder is shared with the product, so a second run is quick.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::process::Command;

use wit_component::DecodedWasm;

use super::*;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of what a component imports or exports.
fn names(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    match wit_component::decode(bytes).unwrap() {
        DecodedWasm::Component(resolve, world) => {
            let world = &resolve.worlds[world];
            let name = |key| resolve.name_world_key(key);
            (world.imports.keys().map(name).collect(), world.exports.keys().map(name).collect())
        }
        DecodedWasm::WitPackage(..) => panic!("a package, not a component"),
    }
}

#[test]
fn a_plugin_becomes_a_component_that_imports_only_the_contract() {
    let built = build(&repository().join("plugins/validate"), &mut |event| eprintln!("{event:?}")).unwrap();
    let bytes = fs::read(&built.wasm).unwrap();
    assert!(is_component(&bytes));
    assert_eq!(built.sha256, stamp::sha256(&bytes));
    let (imports, exports) = names(&bytes);
    assert!(imports.iter().all(|name| name.starts_with("millstream:plugin/")), "{imports:?}");
    assert_eq!(exports, ["millstream:plugin/migration@0.1.0", "millstream:plugin/stage@0.1.0"]);
    for source in ["plugins/validate/src/rules.rs", "plugins/sdk/src/lib.rs", "wit/plugin.wit", "Cargo.lock"] {
        assert!(built.sources.contains(&repository().join(source).canonicalize().unwrap()), "{source}");
    }

    let again = build(&repository().join("plugins/validate"), &mut |event| panic!("{event:?}")).unwrap();
    assert_eq!(again, Built { fresh: true, ..built });
}

/// A crate without dependencies: it compiles in a moment and needs no network.
fn crate_with(manifest: &str, source: &str) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("src")).unwrap();
    fs::write(temp.path().join("Cargo.toml"), manifest).unwrap();
    fs::write(temp.path().join("src/lib.rs"), source).unwrap();
    temp
}

const CDYLIB: &str = "[package]\nname = \"tiny\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";

#[test]
fn a_compilers_error_is_passed_on_with_file_and_line() {
    let temp = crate_with(CDYLIB, "pub fn f() -> u8 {\n    \"text\"\n}\n");
    let message = build(temp.path(), &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("mismatched types") && message.contains("src/lib.rs:2:5"), "{message}");
}

#[test]
fn a_source_that_is_fixed_builds_again() {
    let temp = crate_with(CDYLIB, "pub fn f() -> u8 { 'x' }");
    assert!(matches!(build(temp.path(), &mut |_| {}), Err(BuildError::Compile { .. })));
    fs::write(temp.path().join("src/lib.rs"), "pub fn f() -> u8 { 1 }").unwrap();
    let mut events = Vec::new();
    let built = build(temp.path(), &mut |event| events.push(event)).unwrap();
    assert!(!built.fresh);
    assert_eq!(events, [BuildEvent::Building("tiny".to_owned()), BuildEvent::Compiled("tiny".to_owned())]);
}

#[test]
fn a_project_copied_with_its_target_folder_goes_by_its_own_sources() {
    let old = crate_with(CDYLIB, "pub fn f() -> u8 { 1 }");
    assert!(!build(old.path(), &mut |_| {}).unwrap().fresh);
    let parent = tempfile::tempdir().unwrap();
    let copy = parent.path().canonicalize().unwrap().join("copy");
    let copied = Command::new("cp").arg("-a").args([old.path(), &copy]).status().unwrap();
    assert!(copied.success());

    let built = build(&copy, &mut |_| {}).unwrap();
    assert!(built.sources.iter().any(|source| *source == copy.join("src/lib.rs")), "{:?}", built.sources);
    assert!(built.sources.iter().all(|source| !source.starts_with(old.path())), "{:?}", built.sources);
    fs::write(copy.join("src/lib.rs"), "pub fn f() -> u8 { 2 }").unwrap();
    assert!(!build(&copy, &mut |_| {}).unwrap().fresh);
}

#[test]
fn a_crate_that_makes_no_module_is_told_what_it_lacks() {
    let temp = crate_with("[package]\nname = \"tiny\"\nedition = \"2024\"\n[workspace]\n", "");
    let error = build(temp.path(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, BuildError::NoModule { .. }), "{error:?}");
}

#[test]
fn what_is_no_crate_is_refused_without_running_anything() {
    let temp = tempfile::tempdir().unwrap();
    let mut nothing = |event| panic!("{event:?}");
    assert!(matches!(build(&temp.path().join("none"), &mut nothing), Err(BuildError::NoCrate { .. })));
    assert!(matches!(build(temp.path(), &mut nothing), Err(BuildError::NoCrate { .. })));
    for manifest in ["[workspace]", "not toml"] {
        fs::write(temp.path().join("Cargo.toml"), manifest).unwrap();
        assert!(matches!(build(temp.path(), &mut nothing), Err(BuildError::BadManifest { .. })), "{manifest}");
    }
}

#[test]
fn a_component_is_passed_through_and_other_bytes_are_refused() {
    let component = wat::parse_str("(component)").unwrap();
    assert!(is_component(&component));
    assert_eq!(componentize(&component).unwrap(), component);
    assert!(!is_component(&wat::parse_str("(module)").unwrap()));
    for bytes in [&b""[..], b"\0asm", b"\0asm\x02\0\0\0", b"#!/bin/sh"] {
        assert!(!is_component(bytes));
        assert!(matches!(componentize(bytes), Err(WrapError::NotWebAssembly)), "{bytes:?}");
    }
    let foreign = wat::parse_str(r#"(module (import "env" "f" (func)))"#).unwrap();
    assert!(matches!(componentize(&foreign), Err(WrapError::NotAPlugin { .. })));
}
