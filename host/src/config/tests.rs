//! What a file means, and what is said about a file that means nothing.
//!
//! `golden/*.toml` are files with faults, the `.txt` beside each is what is said about it. After a change of words,
//! `MILLSTREAM_UPDATE_GOLDEN=1 cargo test -p millstream --lib config::` writes them anew; read the diff.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod meaning;
mod secrets;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use proptest::prelude::*;

use super::{
    setting::{Place, Type},
    settings::SETTINGS,
    *,
};

pub(super) fn env(name: &str) -> Option<String> {
    match name {
        "TRICKY" => Some("\"\nname = 'from the environment'\n[host]".to_owned()),
        "PASSWORD" => Some("hunter2/@:".to_owned()),
        "COUNT" => Some("7".to_owned()),
        _ => None,
    }
}

pub(super) fn read(text: &str) -> Result<Loaded, Faults> {
    parse(Path::new("pipeline.toml"), text, &env)
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/golden").join(name)
}

/// Every file in `golden` with its faults or warnings.
pub(super) fn golden_cases() -> Vec<(String, Faults)> {
    let mut names: Vec<String> =
        std::fs::read_dir(golden("")).unwrap().map(|e| e.unwrap().path()).filter_map(stem).collect();
    names.sort();
    let read = |name: String| {
        let text = std::fs::read_to_string(golden(&format!("{name}.toml"))).unwrap();
        let faults = match parse(Path::new(&format!("{name}.toml")), &text, &env) {
            Ok(loaded) => loaded.warnings,
            Err(faults) => faults,
        };
        (name, faults)
    };
    names.into_iter().map(read).collect()
}

fn stem(path: PathBuf) -> Option<String> {
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    is_toml.then(|| path.file_stem().unwrap().to_str().unwrap().to_owned())
}

fn assert_golden(file: &Path, actual: &str) {
    if std::env::var_os("MILLSTREAM_UPDATE_GOLDEN").is_some() {
        std::fs::write(file, actual).unwrap();
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    assert!(expected == actual, "{} is\n{expected}\nbut should be\n{actual}", file.display());
}

#[test]
fn every_fault_reads_as_agreed() {
    for (name, faults) in golden_cases() {
        assert_golden(&golden(&format!("{name}.txt")), &format!("{faults}\n"));
    }
}

#[test]
fn a_terminal_shows_the_lines_in_question() {
    let cases = golden_cases();
    let (_, faults) = cases.iter().find(|(name, _)| name == "twelve_at_once").unwrap();
    assert_eq!(faults.len(), 12);
    assert_golden(&golden("twelve_at_once.graphical.txt"), &faults.graphical(false, 100));
    assert!(faults.graphical(true, 100).contains("\u{1b}["));
    let json = serde_json::to_string_pretty(faults).unwrap();
    assert_golden(&golden("twelve_at_once.json"), &format!("{json}\n"));
}

#[test]
fn every_code_has_a_golden_case() {
    let cases = golden_cases();
    let seen: BTreeSet<&str> = cases.iter().flat_map(|(_, faults)| faults.iter().map(|fault| fault.code)).collect();
    let mut known: BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
    // it is about files, not about text
    known.remove("cannot-read");
    assert_eq!(seen, known);
}

#[test]
fn settings_md_is_the_table_of_settings() {
    assert_golden(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/settings.md"), &settings_table());
}

/// A file that is free of faults but for one line in one table.
fn with_setting(place: Place, kind: &str, line: &str) -> String {
    let source = match (place, kind) {
        (Place::Source, "http") => "http://h/",
        (Place::Source, "kafka") | (Place::State, _) => "kafka://h:1/a",
        (Place::Source, "file") => "file:a",
        (Place::Source, "generator") => "generator:users",
        _ => "log:a",
    };
    let sink = match (place, kind) {
        (_, "cassandra") => "cassandra://h/k.t",
        (_, "sqlite") | (Place::Create, "") => "sqlite:x.db/t",
        (Place::Sink, "kafka") => "kafka://h:1/b",
        (Place::Sink, "file") => "file:b",
        (Place::Sink, "stdout") => "stdout:",
        _ => "log:b",
    };
    let at = |here: Place, setting: &str, otherwise: &str| match () {
        () if here == place && line.starts_with(&format!("{setting} =")) => line.to_owned(),
        () if here == place => format!("{otherwise}\n{line}"),
        () => otherwise.to_owned(),
    };
    let header = |here: Place, header: &str| {
        if here == place || header == "[[pipeline]]" { header.to_owned() } else { String::new() }
    };
    let mut text = format!("{}\n", if place == Place::File { line } else { "" });
    let is_test = matches!(place, Place::Test | Place::TestRecord);
    text += &format!("{}\n{}\n", header(Place::Host, "[host]"), at(Place::Host, "", ""));
    if place == Place::File && line.starts_with("pipeline =") {
        return text;
    }
    text += &format!("[[pipeline]]\n{}\n", at(Place::Pipeline, "name", "name = \"p\""));
    if !(place == Place::Pipeline && line.starts_with("source =")) {
        text += &format!("[pipeline.source]\n{}\n", at(Place::Source, "url", &format!("url = \"{source}\"")));
    }
    if !(place == Place::Pipeline && line.starts_with("stage =")) {
        text += &format!("[[pipeline.stage]]\n{}\n", at(Place::Stage, "plugin", "plugin = \"x\""));
    }
    if !(place == Place::Pipeline && line.starts_with("sink =")) {
        text += &format!("[pipeline.sink]\n{}\n", at(Place::Sink, "url", &format!("url = \"{sink}\"")));
    }
    if place == Place::Create {
        text += &format!("[pipeline.sink.create]\n{}\n", at(Place::Create, "columns", "columns = { id = \"uuid\" }"));
    }
    if place == Place::State {
        text += &format!("[pipeline.state]\n{}\n", at(Place::State, "url", "url = \"kafka://h:1/s\""));
    }
    if place == Place::Probation {
        text += &format!("[pipeline.probation]\n{line}\n");
    }
    if !(place == Place::Pipeline && line.starts_with("dead_letters =")) {
        text += "[pipeline.dead_letters]\nurl = \"stdout:\"\n";
    }
    if is_test {
        text += &format!("[[test]]\n{}\n", at(Place::Test, "name", "name = \"t\""));
    }
    if is_test && !line.starts_with("record =") {
        let outcome = ["kept", "written", "dropped", "rejected"].iter().any(|outcome| line.starts_with(outcome));
        let outcome = if outcome { "" } else { "kept = true" };
        let record = at(Place::TestRecord, "value", "value = \"v\"");
        text += &format!("[[test.record]]\n{record}\n{outcome}\n");
    }
    text
}

/// No setting takes a date, so each one that is looked at complains of it.
#[test]
fn every_setting_of_the_table_is_read_for_every_kind_that_has_it() {
    for setting in SETTINGS {
        for kind in if setting.kinds.is_empty() { &[""] } else { setting.kinds } {
            let text = with_setting(setting.place, kind, &format!("{} = 1979-05-27", setting.name));
            let faults = read(&text).expect_err(&text);
            let all: Vec<_> = faults.iter().map(|fault| (fault.code, fault.message.as_str())).collect();
            let expected = format!("`{}` is {}, found a date", setting.name, setting.kind_of_value);
            assert_eq!(all, [("wrong-type", expected.as_str())], "{text}");
        }
    }
}

#[test]
fn every_default_in_the_table_is_within_its_limits() {
    for setting in SETTINGS {
        let line = match (&setting.default, &setting.kind_of_value) {
            (setting::Default::Required | setting::Default::Words(_), _) => continue,
            (default, Type::Path | Type::OneOf(_) | Type::Time(..) | Type::Bytes(..) | Type::Count(..)) => {
                format!("{} = {}", setting.name, default.to_string().replace('`', ""))
            }
            (default, other) => panic!("`{}` has the default {default} and is {other}", setting.name),
        };
        for kind in if setting.kinds.is_empty() { &[""] } else { setting.kinds } {
            let loaded = read(&with_setting(setting.place, kind, &line));
            assert!(loaded.is_ok(), "{line}: {}", loaded.unwrap_err());
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    let faults = load(&missing, &env).unwrap_err();
    assert_eq!(faults.iter().next().unwrap().code, "cannot-read");
    assert!(faults.graphical(false, 80).contains("cannot read the configuration"));

    let latin1 = folder.path().join("latin1.toml");
    std::fs::write(&latin1, b"a = 1\nb = \"\xe4\"\n").unwrap();
    let faults = load(&latin1, &env).unwrap_err();
    assert!(faults.to_string().contains("latin1.toml:2:6: error[cannot-read]"), "{faults}");
}

/// What a slip of the editor makes of a file: a piece missing, a piece twice, a stray character.
fn damaged() -> impl Strategy<Value = String> {
    let texts: Vec<String> = golden_cases()
        .iter()
        .map(|(name, _)| std::fs::read_to_string(golden(&format!("{name}.toml"))).unwrap())
        .chain([include_str!("../../../pipeline.toml").to_owned()])
        .collect();
    let stray =
        prop::sample::select(vec!["\"", "[", "]", "{", "}", "=", "$", "${", "\n", "é", "𝄞", "\0", ",", "1", "@:"]);
    let places = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (prop::sample::select(texts), places, any::<bool>(), stray).prop_map(|(text, (from, to), twice, stray)| {
        let letters: Vec<char> = text.chars().collect();
        let (from, to) = (from.index(letters.len()), to.index(letters.len().min(40)));
        let end = (from + to).min(letters.len());
        let piece = if twice { letters[from..end].iter().collect() } else { String::new() };
        let before: String = letters[..if twice { end } else { from }].iter().collect();
        before + stray + &piece + &letters[end..].iter().collect::<String>()
    })
}

proptest! {
    #[test]
    fn no_damage_makes_the_parser_fail_or_point_beside_the_text(text in damaged()) {
        let faults = match read(&text) {
            Ok(loaded) => loaded.warnings,
            Err(faults) => faults,
        };
        prop_assert_eq!(faults.source().masked.len(), text.len());
        for fault in faults.iter() {
            prop_assert!(text.get(fault.span.clone()).is_some(), "{:?}", fault);
        }
        prop_assert!(faults.is_empty() || faults.graphical(false, 100).contains("╭─["), "{}", faults);
    }
}
