//! A chain keeps every record accounted for, whatever a plugin does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{path::Path, sync::Arc, time::Duration};

use super::*;
use crate::{
    plugin::{Grants, Limits, Plugin, PluginEngine, StageName, build::build},
    record::{Batch, Field, Headers, Record, Want},
};

fn spec(engine: &PluginEngine, folder: &str, stage: &str, config: &str) -> StageSpec {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let built = build(&folder, &mut |_| {}).unwrap();
    StageSpec {
        name: StageName { pipeline: "p".into(), stage: stage.into() },
        plugin: Plugin::load(engine, &built.wasm).unwrap(),
        config: config.to_owned(),
        limits: Limits {
            memory: 16 << 20,
            timeout: Duration::from_millis(200),
            output: 16 << 20,
            grants: Grants::named(&["state", "random"]),
            ..Limits::default()
        },
    }
}

fn misbehaving(stages: &[&str]) -> Chain {
    let engine = PluginEngine::new().unwrap();
    Chain::new(stages.iter().map(|stage| spec(&engine, "tests/guests/misbehave", stage, "{}")).collect()).unwrap()
}

pub(super) fn batch(values: &[&str], first_offset: i64) -> Arc<Batch> {
    let mut batch = Batch::new("t".into());
    for (value, offset) in values.iter().zip(first_offset..) {
        let (value, headers) = (Some(value.as_bytes()), Headers::default());
        batch.push(Record { key: None, value, headers, timestamp_ms: 1, partition: 0, offset });
    }
    Arc::new(batch)
}

pub(super) fn kept(processed: &Processed) -> Vec<String> {
    let value = |row| String::from_utf8(processed.write.record(row).value.unwrap().to_vec()).unwrap();
    (0..processed.write.len() as u32).map(value).collect()
}

#[test]
fn only_the_culprit_is_rejected_and_the_rest_of_its_batch_goes_on() {
    let mut chain = misbehaving(&["bad"]);
    let codes = [
        ("panic", "plugin_trap"),
        ("loop", "plugin_timeout"),
        ("grow", "plugin_memory"),
        ("recurse", "plugin_trap"),
        ("error", "plugin_error"),
    ];
    for (n, (culprit, code)) in codes.into_iter().enumerate() {
        let (before, after) = (format!("before {n}"), format!("after {n}"));
        let processed = chain.run(batch(&[&before, culprit, &after, &before], n as i64 * 10)).unwrap();
        assert_eq!(kept(&processed), [before, after], "{culprit}");
        assert_eq!(processed.rejected.len(), 1, "{culprit}");
        assert_eq!(processed.rejected[0].origin, 1);
        assert!(processed.rejected[0].reason.starts_with(code), "{culprit}: {}", processed.rejected[0].reason);
        assert_eq!(processed.dropped.records.len(), 1, "the repeated one");
        assert_eq!(processed.positions.next_offset(0), Some(n as i64 * 10 + 4));
    }
}

/// What is logged meanwhile, on this thread.
pub(super) fn logged(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, work);
    String::from_utf8(std::mem::take(&mut *lines.0.lock().unwrap())).unwrap()
}

#[test]
fn a_failure_is_told_once_with_who_where_and_a_backtrace_and_its_dead_letters_stay_short() {
    let mut chain = misbehaving(&["bad"]);
    let sha256 = chain.stages()[0].plugin().sha256().to_owned();
    let mut reasons = Vec::new();
    let log = logged(|| {
        for (n, culprit) in ["recurse", "loop", "recurse", "panic", "recurse", "panic"].into_iter().enumerate() {
            let processed = chain.run(batch(&["a", culprit], n as i64 * 2)).unwrap();
            reasons.extend(processed.rejected.into_iter().map(|rejected| rejected.reason));
        }
    });
    assert_eq!(log.matches("plugin failed on a record").count(), 3, "{log}");
    for (offset, code, function) in
        [(1, "plugin_trap", "misbehave::recurse"), (3, "plugin_timeout", "misbehave::"), (7, "plugin_trap", "panic")]
    {
        let position = format!("topic=t partition=0 offset={offset}");
        let at = log.find(&position).unwrap_or_else(|| panic!("no {position} in {log}"));
        let start = log[..at].rfind("plugin failed on a record").unwrap();
        let told = &log[start..at];
        assert!(told.contains(code) && told.contains(function), "{told}");
        assert!(told.contains("plugin=\"misbehave\" version=\"0.1.0\"") && told.contains(&sha256), "{told}");
    }
    assert_eq!(reasons.len(), 6);
    for reason in reasons {
        assert!(reason.len() < 150 && !reason.contains(['\n', '<']) && !reason.contains("backtrace"), "{reason}");
    }
}

#[test]
fn a_thousand_versions_come_and_go_and_each_gives_its_room_back() {
    let engine = PluginEngine::new().unwrap();
    let spec = spec(&engine, "tests/guests/misbehave", "s", "{}");
    let mut chain = Chain::new(vec![spec.clone()]).unwrap();
    for n in 0..1_000i64 {
        let mut next = Chain::new(vec![spec.clone()]).unwrap();
        next.adopt(&mut chain);
        chain = next;
        // Instances that trap are replaced within the same room.
        let processed = chain.run(batch(&[&n.to_string(), "panic"], n * 2)).unwrap();
        assert_eq!((processed.write.len(), processed.rejected.len()), (1, 1));
    }
    assert_eq!(kept(&chain.run(batch(&["0", "999", "1000"], 2_000)).unwrap()), ["1000"], "with all that was kept");
}

#[test]
fn a_failed_call_leaves_no_state_behind() {
    let mut chain = misbehaving(&["bad"]);
    // The first call puts "a" into the store and then traps; tried alone, "a" must not count as seen.
    let processed = chain.run(batch(&["a", "panic", "panic"], 0)).unwrap();
    assert_eq!(kept(&processed), ["a"]);
    assert_eq!(processed.writes[0].1.ops.len(), 1);
    assert_eq!(processed.writes[0].1.ops[0].row, 0);
    assert_eq!(kept(&chain.run(batch(&["a", "b"], 3)).unwrap()), ["b"]);
}

#[test]
fn state_writes_name_the_record_of_the_batch_and_not_the_row_of_the_stage() {
    let mut chain = misbehaving(&["first", "second"]);
    let processed = chain.run(batch(&["a", "a", "b"], 0)).unwrap();
    let rows = |stage: usize| processed.writes[stage].1.ops.iter().map(|write| write.row).collect::<Vec<_>>();
    assert_eq!((rows(0), rows(1)), (vec![0, 2], vec![0, 2]));
    // The sink refuses "b" for good: it may come again, "a" may not.
    chain.undo(&processed.writes, |row| row == 2);
    assert_eq!(kept(&chain.run(batch(&["a", "b"], 3)).unwrap()), ["b"]);
}

#[test]
fn a_flood_of_log_lines_harms_nobody() {
    let processed = misbehaving(&["bad"]).run(batch(&["flood", "a"], 0)).unwrap();
    assert_eq!(processed.write.len() + processed.rejected.len(), 2);
}

#[test]
fn what_a_stage_made_is_projected_again_for_the_next_one_and_for_the_sink() {
    let engine = PluginEngine::new().unwrap();
    let validate = r#"{"required": ["id"], "rules": [{"field": "gender", "one_of": ["male", "female"]}]}"#;
    let stages = vec![
        spec(&engine, "plugins/format-user", "format", "{}"),
        spec(&engine, "plugins/validate", "validate", validate),
        spec(&engine, "plugins/dedup", "dedup", r#"{"key": "id", "format": "uuid"}"#),
    ];
    let mut chain = Chain::new(stages).unwrap();
    chain.project_for_sink(&[Field { pointer: "/gender".to_owned(), want: Want::Raw }]).unwrap();
    let mut users: Vec<Vec<u8>> = vec![Vec::new(); 20];
    for (n, user) in users.iter_mut().enumerate() {
        crate::random_user::write_user(7, n as u64, user);
    }
    let mut texts: Vec<String> = users.into_iter().map(|user| String::from_utf8(user).unwrap()).collect();
    texts.insert(3, "<html>".to_owned());
    texts.insert(9, r#"{"name": {}}"#.to_owned());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let processed = chain.run(batch(&texts, 0)).unwrap();
    assert_eq!(processed.write.len(), 20);
    assert_eq!(processed.rejected.iter().map(|r| (r.origin, r.stage)).collect::<Vec<_>>(), [(3, 0), (9, 0)]);
    let genders = &processed.write.columns.columns[0].texts;
    assert!(genders.len() == 20 && genders.iter().all(|gender| matches!(gender, b"male" | b"female")));
    for row in 0..20 {
        let record = processed.write.record(row);
        let user: serde_json::Value = serde_json::from_slice(record.value.unwrap()).unwrap();
        assert_eq!(user["id"].as_str().unwrap().as_bytes(), record.key.unwrap(), "keyed by id");
    }
    let again = chain.run(batch(&texts, 0)).unwrap();
    assert_eq!(again.write.len(), 0, "a replay makes the same ids, and dedup has seen them");
}

/// Builds a guest as a component for WASI, as other toolchains make them.
fn built_for_wasi(folder: &Path) -> std::path::PathBuf {
    let run = |program: &str, arguments: &[&str]| {
        let status = std::process::Command::new(program).args(arguments).current_dir(folder).status();
        assert!(status.unwrap().success(), "{program} {arguments:?}");
    };
    // Where the compiler is not rustup's, it has the target or the build says so.
    let _ = std::process::Command::new("rustup").args(["target", "add", "wasm32-wasip2"]).current_dir(folder).status();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
    let mut build = vec!["build", "--release", "--target", "wasm32-wasip2", "--target-dir", target.to_str().unwrap()];
    // As the host builds plugins, so that what cargo runs on this machine is there already.
    for setting in ["lto=\"fat\"", "codegen-units=1", "panic=\"abort\"", "opt-level=3", "strip=true"] {
        build.extend(["--config", Box::leak(format!("profile.release.{setting}").into_boxed_str())]);
    }
    run("cargo", &build);
    target.join("wasm32-wasip2/release/misbehave.wasm")
}

#[test]
fn a_component_for_wasi_runs_and_what_it_asks_of_it_is_a_trap() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/misbehave");
    let plugin = Plugin::load(&PluginEngine::new().unwrap(), &built_for_wasi(&folder)).unwrap();
    let limits = Limits {
        memory: 16 << 20,
        timeout: Duration::from_millis(200),
        output: 16 << 20,
        grants: Grants::named(&["state"]),
        ..Limits::default()
    };
    let name = StageName { pipeline: "p".into(), stage: "wasi".into() };
    let mut chain = Chain::new(vec![StageSpec { name, plugin, config: "{}".to_owned(), limits }]).unwrap();
    // A panic ends in WASI's exit, which nobody grants.
    let processed = chain.run(batch(&["a", "panic", "b", "a"], 0)).unwrap();
    assert_eq!(kept(&processed), ["a", "b"]);
    assert_eq!((processed.rejected.len(), processed.dropped.records.len()), (1, 1));
    assert!(processed.rejected[0].reason.starts_with("plugin_trap"), "{}", processed.rejected[0].reason);
}
