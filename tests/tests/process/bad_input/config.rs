//! Faults of the configuration: file, line, column, what is wrong and what to do; exit code 2, and nothing started.

use millstream_tests::process::Folder;

/// Runs a faulty configuration, and checks that it is refused before anything is made.
#[track_caller]
fn refused(config: &str, words: &[&str]) {
    let folder = Folder::with(config);
    folder.run(&["run"]).assert(2, words);
    assert!(!folder.path(".millstream").exists(), "something was started");
    folder.run(&["check"]).assert(2, words);
}

#[test]
fn an_unknown_setting_is_named_with_the_nearest_one() {
    let config = "[[pipeline]]\nname = \"p\"\nsource = { ulr = \"log:users\" }\nsink = { url = \"discard:\" }\n";
    refused(config, &["pipeline.toml:3:12: error[unknown-setting]: `ulr`", "did you mean `url`?"]);
}

#[test]
fn a_wrong_type_is_told_with_the_right_one() {
    let config =
        "[[pipeline]]\nname = \"p\"\nfor = 10\nsource = { url = \"log:users\" }\nsink = { url = \"discard:\" }\n";
    refused(config, &["pipeline.toml:3:7: error[wrong-type]: `for` is a duration, found a number", "\"10s\""]);
}

#[test]
fn a_syntax_error_has_its_line_and_column() {
    let config = "[[pipeline]]\nname = p\n";
    refused(config, &["pipeline.toml:2:8: error[toml-syntax]:"]);
}

#[test]
fn all_faults_are_told_at_once() {
    let config = "[host]\ndurability = \"often\"\n[[pipeline]]\nname = 7\nsource = { url = \"ftp://x/y\" }\n";
    refused(config, &["pipeline.toml:2:14: ", "pipeline.toml:4:8: ", "pipeline.toml:5:18: ", "`sink`"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = Folder::with("");
    folder.run(&["run", "elsewhere.toml"]).assert(2, &["elsewhere.toml"]);
    folder.run(&["check", "elsewhere.toml"]).assert(2, &["elsewhere.toml"]);
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    let folder = Folder::with("");
    folder.write("pipeline.toml", [0xff, 0xfe, 0, b'a']);
    folder.run(&["run"]).assert(2, &["pipeline.toml"]);
}

#[test]
fn an_empty_configuration_is_refused() {
    refused("", &["pipeline.toml:1:1: error[", "pipeline"]);
}
