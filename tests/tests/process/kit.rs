//! What authors of plugins and editors of `pipeline.toml` have: tests of a pipeline, samples of a plugin, a look into it,
//! the schema, and what codes mean.

use millstream_tests::process::{Folder, PATIENCE, Process, plugin, repository};

/// A cold build of the plugins takes minutes on a small machine.
const BUILDING: std::time::Duration = PATIENCE.saturating_mul(10);

/// A pipeline that rejects what has no email, and a test of it that expects this.
fn config(expected: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"p\"\nsource = {{ url = \"log:a\" }}\nsink = {{ url = \"discard:\" }}\n\
         [[pipeline.stage]]\nplugin = \"validate.wasm\"\nconfig = {{ required = [\"email\"], rules = [] }}\n\n\
         [[test]]\nname = \"what has no address & no name\"\n\
         record = [{{ value = {{ email = \"a\" }}, kept = true }}, {{ value = {{ }}, {expected} }}]\n"
    )
}

fn folder(expected: &str) -> Folder {
    let folder = Folder::with(&config(expected));
    folder.run(&["plugin", "build", &plugin("validate"), "--out", "validate.wasm"]).assert(0, &[]);
    folder
}

#[test]
fn the_tests_of_the_shipped_configuration_pass() {
    Process::start(&repository(), &["test"]).wait(BUILDING).assert(0, &["2 passed, 0 failed"]);
}

#[test]
fn a_test_passes_only_with_the_exact_outcome_and_says_where_it_is_not() {
    let folder = folder("rejected = \"missing_field: email\", by = \"validate\"");
    folder.run(&["test", "--junit", "report.xml"]).assert(0, &["p: what has no address & no name ... ok", "1 passed"]);
    assert!(folder.read("report.xml").contains("tests=\"1\" failures=\"0\""));

    for wrong in ["rejected = \"bad_email\"", "dropped = \"missing_field\"", "kept = true", "written = []"] {
        folder.write("pipeline.toml", config(wrong));
        let ended = folder.run(&["test", "--junit", "report.xml"]);
        ended.assert(1, &["FAILED", "pipeline.toml:11:", "record 2", "found    rejected (`missing_field: email`)"]);
    }
    let report = folder.read("report.xml");
    assert!(report.contains("failures=\"1\"") && report.contains("no address &amp; no name"), "{report}");
    folder.run(&["test", "--only", "another"]).assert(2, &["has no `[[test]]` of such a name"]);
}

#[test]
fn watched_tests_run_again_when_the_file_changes() {
    let folder = folder("rejected = \"other\"");
    let process = folder.start(&["test", "--watch"]);
    process.until_it_says(&["0 passed, 1 failed", "waiting for a change"], PATIENCE);
    folder.write("pipeline.toml", config("rejected = \"missing_field\""));
    process.until_it_says(&["has changed", "1 passed, 0 failed"], PATIENCE);
}

#[test]
fn a_plugin_is_looked_into_tried_and_measured() {
    let folder = folder("kept = true");
    let inspected = folder.run(&["plugin", "inspect", "validate.wasm"]);
    inspected.assert(0, &["contract  plugin@0.1.0", "sha256    ", "exports   millstream:plugin/stage@0.1.0"]);
    inspected.assert(0, &["compiled in ", "name      validate ", "field     /email (its text)"]);
    folder.run(&["plugin", "inspect", "pipeline.toml"]).assert(2, &["is not a WebAssembly component"]);

    folder
        .run(&["plugin", "test", "validate.wasm"])
        .assert(2, &["no samples in `validate.samples.toml`", "[[sample]]"]);
    let sample = "config = { required = [\"email\"], rules = [] }\n[[sample]]\nname = \"goes on\"\n\
                  value = '{\"email\": \"a\"}'\nkeep = true\n";
    folder.write("validate.samples.toml", sample);
    folder.run(&["plugin", "test", "validate.wasm"]).assert(0, &["goes on ... ok (", "1 held, 0 failed"]);
    let benched = folder.run(&["plugin", "bench", "validate.wasm", "--records", "4096", "--batch", "64"]);
    benched.assert(0, &["4096 records in batches of 64: ", " ns a record", "4096 went on, 0 were dropped, 0 rejected"]);
    folder.write("validate.samples.toml", sample.replace("keep = true", "reject = \"bad\""));
    folder
        .run(&["plugin", "test", "validate.wasm"])
        .assert(1, &["goes on ... FAILED", "expected to be rejected (`bad`)"]);
}

#[test]
fn warnings_are_faults_where_that_is_asked_for() {
    let lossy = "[[pipeline]]\nname = \"p\"\nsource = { url = \"log:a\" }\nsink = { url = \"stdout:\" }\n\
                 dead_letters = { url = \"discard:\" }\n";
    let folder = Folder::with(lossy);
    folder.run(&["check"]).assert(0, &["warning[lost-records]", "pipeline.toml is right"]);
    let strict = folder.run(&["check", "--strict"]);
    strict.assert(2, &["warning[lost-records]"]);
    assert!(!strict.stdout.contains("is right"), "{}", strict.output());
    folder.run(&["check", "--strict", "--format", "json"]).assert(2, &["lost-records"]);
}

#[test]
fn every_code_is_explained_and_the_schema_is_json() {
    let folder = Folder::with("");
    let all = folder.run(&["explain"]);
    all.assert(0, &["unknown-setting", "plugin_trap"]);
    for code in all.stdout.lines() {
        folder.run(&["explain", code]).assert(0, &[code]);
    }
    folder.run(&["explain", "unknown-seting"]).assert(2, &["did you mean `unknown-setting`?"]);
    let schema = folder.run(&["schema"]);
    schema.assert(0, &[]);
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).expect("JSON");
    assert!(schema.pointer("/$defs/source/properties/url/description").is_some(), "{schema}");
}
