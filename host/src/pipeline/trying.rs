//! Records through a pipeline's stages without source or sink: what a `[[test]]` says must become of each, against what does.
//!
//! The stages are the real ones, in the sandbox, with their limits, fresh for each test; all records of a test are one
//! batch, so that they meet the state that those before them have left.

use std::sync::Arc;

use super::PipelineSpec;
use crate::{
    config::{Expected, Made, TestConfig},
    record::{Batch, Headers, Record},
    samples::{Fate, Item, fates},
    state::reason_code,
    transform::{Chain, ChainError, Processed},
};

/// A record of which something else became than was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Its index in the test.
    pub record: usize,
    /// In words.
    pub expected: String,
    /// In words.
    pub found: String,
}

/// Runs a test on the stages of its pipeline. Fails where a stage cannot run at all.
pub fn try_out(test: &TestConfig, spec: &PipelineSpec) -> Result<Vec<Mismatch>, ChainError> {
    let mut batch = Batch::new("test".into());
    for (offset, record) in (0..).zip(&test.records) {
        let value = bytes(&record.value);
        batch.push(Record {
            key: record.key.as_deref().map(str::as_bytes),
            value: Some(&value),
            headers: Headers::default(),
            timestamp_ms: record.timestamp_ms.unwrap_or(-1),
            partition: 0,
            offset,
        });
    }
    let processed = Chain::new(spec.stages.clone())?.run(Arc::new(batch))?;
    let fates = fates(&processed);
    let mut mismatches = Vec::new();
    for (record, case) in test.records.iter().enumerate() {
        let Some(fate) = fates.get(record) else { continue };
        let stage = stage(&processed, record as u32);
        if !agrees(&case.expected, fate, stage, &bytes(&case.value)) {
            let by = if stage.is_empty() { String::new() } else { format!(" by `{stage}`") };
            mismatches.push(Mismatch { record, expected: wanted(&case.expected), found: format!("{fate}{by}") });
        }
    }
    Ok(mismatches)
}

fn bytes(made: &Made) -> Vec<u8> {
    match made {
        Made::Text(text) => text.clone().into_bytes(),
        Made::Json(value) => value.to_string().into_bytes(),
    }
}

/// The stage that dropped or rejected the record; empty where none did.
fn stage(processed: &Processed, origin: u32) -> &str {
    if let Some(rejected) = processed.rejected.iter().find(|rejected| rejected.origin == origin) {
        return processed.authors.get(rejected.stage).map_or("", |author| author.stage.as_str());
    }
    let dropped = processed.dropped.records.iter().find(|(of, _)| *of == origin);
    dropped
        .and_then(|(_, cause)| processed.dropped.causes.get(*cause as usize))
        .map_or("", |cause| cause.stage.as_str())
}

/// All of what became of the record counts: nothing may have happened beside what was expected.
fn agrees(expected: &Expected, fate: &Fate, stage: &str, value: &[u8]) -> bool {
    let Fate { written, dropped, rejected } = fate;
    let of = |wanted: &str, by: &Option<String>, reason: &str| {
        // A code alone leaves the detail open.
        let same = if wanted.contains(':') { wanted == reason } else { wanted == reason_code(reason) };
        same && by.as_deref().is_none_or(|by| by == stage)
    };
    let row = |item: &Item| item.value.clone().unwrap_or_default();
    match (expected, written.as_slice(), dropped.as_slice(), rejected.as_slice()) {
        (Expected::Kept, [item], [], []) => row(item) == value,
        (Expected::Written(wanted), rows, [], []) => {
            wanted.len() == rows.len() && wanted.iter().zip(rows).all(|(wanted, item)| is(wanted, &row(item)))
        }
        (Expected::Dropped { reason, stage }, [], [why], [])
        | (Expected::Rejected { reason, stage }, [], [], [why]) => of(reason, stage, why),
        _ => false,
    }
}

/// Whether a value that came out is the one that was expected.
fn is(wanted: &Made, row: &[u8]) -> bool {
    match wanted {
        Made::Text(text) => text.as_bytes() == row,
        Made::Json(value) => serde_json::from_slice::<serde_json::Value>(row).is_ok_and(|row| row == *value),
    }
}

fn wanted(expected: &Expected) -> String {
    let by = |stage: &Option<String>| stage.as_ref().map(|stage| format!(" by `{stage}`")).unwrap_or_default();
    match expected {
        Expected::Kept => "written as it was".to_owned(),
        Expected::Written(rows) => {
            let rows: Vec<_> = rows.iter().map(|row| String::from_utf8_lossy(&bytes(row)).into_owned()).collect();
            format!("written {}", rows.join(" and "))
        }
        Expected::Dropped { reason, stage } => format!("dropped{}: {reason}", by(stage)),
        Expected::Rejected { reason, stage } => format!("rejected{}: {reason}", by(stage)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(reason: &str, stage: Option<&str>) -> Expected {
        Expected::Rejected { reason: reason.to_owned(), stage: stage.map(str::to_owned) }
    }

    fn written(values: &[&str]) -> Fate {
        let item = |value: &&str| Item { value: Some(value.as_bytes().to_vec()), key: None };
        Fate { written: values.iter().map(item).collect(), ..Fate::default() }
    }

    #[test]
    fn only_the_exact_outcome_agrees() {
        let fate = Fate { rejected: vec!["bad_email: no address".to_owned()], ..Fate::default() };
        let agrees = |expected: &Expected| agrees(expected, &fate, "validate", b"");
        assert!(agrees(&rejected("bad_email", None)));
        assert!(agrees(&rejected("bad_email: no address", Some("validate"))));
        assert!(!agrees(&rejected("bad_email: other", None)));
        assert!(!agrees(&rejected("bad", None)));
        assert!(!agrees(&rejected("bad_email", Some("dedup"))));
        assert!(!agrees(&Expected::Dropped { reason: "bad_email".to_owned(), stage: None }));
    }

    #[test]
    fn what_happens_beside_the_expected_is_a_failure() {
        let both = Fate { rejected: vec!["bad".to_owned()], ..written(&["v"]) };
        assert!(!agrees(&Expected::Kept, &both, "s", b"v") && !agrees(&rejected("bad", None), &both, "s", b"v"));
    }

    #[test]
    fn json_is_compared_as_json_and_text_byte_for_byte() {
        let json = Expected::Written(vec![Made::Json(serde_json::json!({ "a": 1, "b": [true] }))]);
        let row = r#"{ "b": [true], "a": 1 }"#;
        assert!(agrees(&json, &written(&[row]), "", b""));
        assert!(!agrees(&json, &written(&[row, row]), "", b""), "one row too many");
        assert!(!agrees(&json, &written(&["{ \"a\": 1 }"]), "", b""), "a field is missing");
        let text = Expected::Written(vec![Made::Text("x".to_owned())]);
        assert!(agrees(&text, &written(&["x"]), "", b"") && !agrees(&text, &written(&["x "]), "", b""));
        assert!(agrees(&Expected::Kept, &written(&["v"]), "", b"v"));
        assert!(!agrees(&Expected::Kept, &written(&[]), "", b"v"));
    }
}
