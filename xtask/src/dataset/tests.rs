//! The data sets are what they claim: shares, verdicts, bytes.
//!
//! The verdicts are checked by a second reading of each line that shares no code with the generator.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::*;

const COUNT: u64 = 20_000;
const SEED: u64 = 7;

/// Reads a line by the notebook's rules, or says why it must be rejected.
fn judge(line: &str) -> Result<String, Reason> {
    let Ok(Value::Object(user)) = serde_json::from_str(line) else { return Err(Reason::NotJson) };
    let text = |field: &str| user.get(field).and_then(Value::as_str);
    let (Some(id), Some(email), Some(_)) = (text("id"), text("email"), text("registered_date")) else {
        return Err(Reason::MissingField);
    };
    let good_email = email.match_indices('@').any(|(at, _)| {
        at > 0 && email[at + 1..].char_indices().any(|(dot, c)| c == '.' && dot > 0 && at + dot + 2 < email.len())
    });
    if !good_email {
        return Err(Reason::BadEmail);
    }
    if !matches!(text("gender"), Some("male" | "female")) {
        return Err(Reason::BadGender);
    }
    let groups: Vec<&str> = id.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    if lengths != [8, 4, 4, 4, 12] || !groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Reason::BadUuid);
    }
    Ok(id.to_owned())
}

#[test]
fn every_verdict_agrees_with_a_second_reading_of_the_line() {
    let mut first_lines: HashMap<String, (u64, String)> = HashMap::new();
    for (i, (line, verdict)) in (0..).zip(records(COUNT, SEED)) {
        match (judge(&line), &verdict) {
            (Err(found), Verdict::Invalid(reason)) => assert_eq!(found, *reason, "{line}"),
            (Ok(found), Verdict::First { id }) => {
                assert_eq!(found, *id);
                assert!(first_lines.insert(found, (i, line)).is_none(), "{id} is not the first");
            }
            (Ok(found), Verdict::Duplicate { id, of, same_content }) => {
                assert_eq!(found, *id);
                let (first, content) = &first_lines[&found];
                assert_eq!(first, of);
                assert_eq!(*content == line, *same_content, "{line}");
            }
            (found, verdict) => panic!("{found:?} is not {verdict:?}: {line}"),
        }
    }
}

#[test]
fn shares_are_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let truth = write(COUNT, SEED, "users", folder.path()).unwrap();
    let share = |count: u64| count as f64 / COUNT as f64;
    assert!((0.017..0.023).contains(&share(truth.invalid_total())), "{truth:?}");
    assert!((0.045..0.055).contains(&share(truth.duplicates())), "{truth:?}");
    let same = truth.duplicates_same_content as f64 / truth.duplicates() as f64;
    assert!((0.45..0.55).contains(&same), "{truth:?}");
    let (least, most) = (truth.invalid.values().min().unwrap(), truth.invalid.values().max().unwrap());
    assert!(most - least <= 1, "the reasons take turns: {truth:?}");
    let mean = truth.bytes as f64 / COUNT as f64;
    assert!((435.0..465.0).contains(&mean), "{mean} bytes a line");
}

#[test]
fn post_codes_come_as_numbers_and_as_strings() {
    let (mut numbers, mut strings) = (0, 0);
    for (line, verdict) in records(COUNT, SEED) {
        if matches!(verdict, Verdict::First { .. }) {
            let user: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(user.as_object().unwrap().len(), 12, "{line}");
            match user["post_code"] {
                Value::Number(_) => numbers += 1,
                Value::String(_) => strings += 1,
                _ => panic!("{line}"),
            }
        }
    }
    let share = f64::from(strings) / f64::from(numbers + strings);
    assert!((0.13..0.25).contains(&share), "{share} are strings");
}

#[test]
fn every_variant_of_a_fault_is_in_a_small_set() {
    let invalid: Vec<String> = records(5_000, SEED)
        .filter(|(_, verdict)| matches!(verdict, Verdict::Invalid(_)))
        .map(|(line, _)| line)
        .collect();
    for whole in ["", "[]", "null"] {
        assert!(invalid.iter().any(|line| line == whole), "no line is {whole:?}");
    }
    for part in [
        "\"gender\": null",
        "\"email\": null",
        "\"id\": null",
        "\"gender\": \"FEMALE\"",
        "@intranet",
        "\"id\": \"\"",
        "<id>",
    ] {
        assert!(invalid.iter().any(|line| line.contains(part)), "no line has {part}");
    }
}

#[test]
fn names_carry_letters_beyond_ascii_and_lines_do_not() {
    let lines: Vec<String> = records(200, SEED).map(|(line, _)| line).collect();
    assert!(lines.iter().all(|line| line.is_ascii()));
    let decoded = |line: &String| serde_json::from_str::<Value>(line).map(|user| user.to_string()).unwrap_or_default();
    assert!(lines.iter().any(|line| !decoded(line).is_ascii()));
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let truth = write(1_000, 42, "golden", folder.path()).unwrap();
    // Measured results are compared across versions of the project: if this changes, they no longer can be.
    assert_eq!(truth.sha256, "7000e9cf4a383131af14f23df09f628d773078b8a816c115fd73cd3e8c61d162");
    assert_ne!(write(1_000, 43, "other", folder.path()).unwrap().sha256, truth.sha256);
}

#[test]
fn a_longer_set_begins_with_the_shorter_one() {
    assert!(records(500, SEED).eq(records(2_000, SEED).take(500)));
}

#[test]
fn the_truth_adds_up_and_the_files_agree_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let truth = write(3_000, 1, "users", folder.path()).unwrap();
    assert_eq!(truth.records, 3_000);
    assert_eq!(truth.valid_unique + truth.duplicates() + truth.invalid_total(), truth.records);

    let lines = std::fs::read_to_string(folder.path().join("users.ndjson")).unwrap();
    assert_eq!(lines.lines().count(), 3_000);
    let valid: BTreeSet<String> = lines.lines().filter_map(|line| judge(line).ok()).collect();
    let ids = std::fs::read_to_string(folder.path().join("users.ids")).unwrap();
    assert!(ids.lines().eq(valid.iter()), "the ids are sorted and are those of the lines");
    assert_eq!(valid.len() as u64, truth.valid_unique);

    let written: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("users.truth.json")).unwrap()).unwrap();
    assert_eq!(written["valid_unique"], truth.valid_unique);
    assert_eq!(written["invalid"]["not_json"], truth.invalid["not_json"]);
    assert_eq!(written["invalid"].as_object().unwrap().len(), 5);
}
