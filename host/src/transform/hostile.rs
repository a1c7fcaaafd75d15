//! Guests that break the contract, each in its own way: the host survives, only the culprit is dead-lettered, and what comes
//! before and after it goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{path::Path, sync::OnceLock, time::Duration};

use super::{
    tests::{batch, kept},
    *,
};
use crate::plugin::{Grants, Limits, Plugin, PluginEngine, StageName, build::build};

fn spec(attack: &str) -> StageSpec {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    let plugin = PLUGIN.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/hostile");
        let built = build(&folder, &mut |_| {}).unwrap();
        // The engine lives as long as the plugin.
        Plugin::load(&PluginEngine::new().unwrap(), &built.wasm).unwrap()
    });
    let limits = Limits {
        memory: 32 << 20,
        // Short where it is waited for; a busy machine must not be taken for a slow plugin.
        timeout: if attack.contains("never ends") { Duration::from_millis(100) } else { Duration::from_secs(30) },
        output: 16 << 20,
        grants: Grants::named(&["state"]),
        ..Limits::default()
    };
    let name = StageName { pipeline: "p".into(), stage: "hostile".into() };
    StageSpec { name, plugin: plugin.clone(), config: format!("\"{attack}\""), limits }
}

#[test]
fn only_the_culprit_suffers_from_what_it_makes_a_plugin_do() {
    for (attack, code) in [
        ("trap", "plugin_trap"),
        ("never ends", "plugin_timeout"),
        ("recursion", "plugin_trap"),
        ("grows", "plugin_memory"),
        ("huge output", "plugin_answer"),
        ("descending ends", "plugin_answer"),
        ("ends beyond the data", "plugin_answer"),
        ("codes out of range", "plugin_answer"),
        ("too many verdicts", "plugin_answer"),
        ("too few verdicts", "plugin_answer"),
        ("too few reasons", "plugin_answer"),
        ("a split into billions", "plugin_answer"),
        ("keys for nothing", "plugin_answer"),
        ("an undeclared store", "plugin_trap"),
        ("a foreign row", "plugin_trap"),
        ("more rows than keys", "plugin_trap"),
        ("wrong ends to the host", "plugin_trap"),
        ("a key of a megabyte", "plugin_trap"),
        ("keys without values", "plugin_trap"),
    ] {
        let mut chain = Chain::new(vec![spec(attack)]).unwrap_or_else(|error| panic!("{attack}: {error}"));
        for round in 0..2 {
            let processed = chain.run(batch(&["before", "culprit", "after"], round * 3)).unwrap();
            assert_eq!(kept(&processed), ["before", "after"], "{attack}");
            let rejected = &processed.rejected;
            assert_eq!(rejected.len(), 1, "{attack}");
            assert!(rejected[0].reason.starts_with(code), "{attack}: {}", rejected[0].reason);
            assert!(rejected[0].reason.len() < 200, "{attack}: a reason of {} bytes", rejected[0].reason.len());
        }
    }
}

#[test]
fn what_only_looks_harmful_harms_nobody() {
    for attack in ["log flood", "a log level that is none"] {
        let processed = Chain::new(vec![spec(attack)]).unwrap().run(batch(&["culprit", "after"], 0)).unwrap();
        assert_eq!(processed.write.len() + processed.rejected.len(), 2, "{attack}");
    }
    let mut chain = Chain::new(vec![spec("a reason that is no text")]).unwrap();
    let processed = chain.run(batch(&["culprit"], 0)).unwrap();
    assert_eq!(processed.rejected[0].reason, "\u{fffd}\u{fffd}", "it is shown as what it is");
}

#[test]
fn a_plugin_that_cannot_be_set_up_is_refused_with_the_reason() {
    for (attack, said) in [
        ("init traps", "the plugin failed in `init`: it trapped"),
        ("init never ends", "it ran for longer than 100ms"),
        ("init grows", "it needed more than 32 MiB of memory"),
        ("init refuses", "no, "),
        ("a thousand fields", "1000 fields and 1 stores; 256 and 16 are the most"),
        ("a pointer that is none", "no JSON pointer"),
        ("the same store twice", "`seen` is declared twice"),
    ] {
        let error = Chain::new(vec![spec(attack)]).err().unwrap_or_else(|| panic!("{attack} was taken"));
        assert!(error.to_string().contains(said), "{attack}: {error}");
    }
}

#[test]
fn a_plugin_that_asks_for_more_than_its_stage_grants_is_refused_and_with_it_granted_it_works() {
    for (attack, granted, lacks) in [
        ("nothing", &[][..], "state"),
        ("nothing", &["random", "clock"], "state"),
        ("wants the time", &["state", "random"], "clock"),
        ("wants dice", &["state"], "random"),
    ] {
        let mut spec = spec(attack);
        spec.limits.grants = Grants::named(granted);
        let error = Chain::new(vec![spec.clone()]).err().unwrap_or_else(|| panic!("{attack} was taken")).to_string();
        assert!(error.contains("the plugin `hostile` asks for") && error.contains("add `grant = ["), "{error}");
        assert!(error.contains(&format!("`{lacks}`, which its stage does not grant")), "{error}");
        spec.limits.grants = Grants::named(&[granted, &[lacks]].concat());
        let processed = Chain::new(vec![spec]).unwrap().run(batch(&["a"], 0)).unwrap();
        assert_eq!(kept(&processed), ["a"], "{attack}");
    }
}

#[test]
fn a_plugin_that_fails_on_record_after_record_opens_the_circuit_and_leaves_no_trace() {
    let mut chain = Chain::new(vec![spec("trap")]).unwrap();
    let many = vec!["culprit"; 100];
    let error = chain.run(batch(&many, 0)).unwrap_err().to_string();
    assert!(error.contains("record after record"), "{error}");
    // A few, with others between them, are the records' own fault.
    let processed = chain.run(batch(&["culprit", "a", "culprit", "b"], 100)).unwrap();
    assert_eq!((kept(&processed), processed.rejected.len()), (vec!["a".to_owned(), "b".to_owned()], 2));
}

/// Grows its table until it may not, on a record that is a `c`; the compilers of our guests have no word for that.
const GROWS_A_TABLE: &str = r#"(module
  (memory (export "memory") 2)
  (table $table 1 funcref)
  (global $free (mut i32) (i32.const 16384))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get $bytes)))
    (local.get $at))
  (func (export "millstream:plugin/stage@0.1.0#init") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "millstream:plugin/stage@0.1.0#process") (param $batch i32) (result i32)
    (local $i i32)
    (block $fine
      (loop $look
        (br_if $fine (i32.ge_u (local.get $i) (i32.load offset=36 (local.get $batch))))
        (i32.load8_u (i32.add (i32.load offset=32 (local.get $batch)) (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $look (i32.ne (i32.const 99))))
      (loop $grow
        (br_if $grow (i32.ne (i32.const -1) (table.grow $table (ref.null func) (i32.const 1000)))))
      (unreachable))
    (global.set $free (i32.const 16384))
    (i32.store (i32.const 2052) (i32.const 8192))
    (i32.store (i32.const 2056) (i32.load (local.get $batch)))
    (i32.const 2048))
  ;; `wants-values` of the descriptor at 1024; all else of it, and every verdict at 8192, is zero
  (data (i32.const 1064) "\01"))"#;

#[test]
fn a_plugin_that_grows_its_tables_beyond_what_its_stage_allows_costs_the_record_that_made_it_do_so() {
    let mut module = wat::parse_str(GROWS_A_TABLE).unwrap();
    let mut wit = wit_parser::Resolve::default();
    let (package, _) = wit.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let world = wit.select_world(&[package], Some("plugin")).unwrap();
    wit_component::embed_component_metadata(&mut module, &wit, world, wit_component::StringEncoding::UTF8).unwrap();
    let plugin = Plugin::compile(&PluginEngine::new().unwrap(), Path::new("grows.wasm"), &module).unwrap();
    let spec = |table| StageSpec {
        name: StageName { pipeline: "p".into(), stage: "grows".into() },
        plugin: plugin.clone(),
        config: "{}".to_owned(),
        limits: Limits { table, ..Limits::default() },
    };
    let mut chain = Chain::new(vec![spec(5_000)]).unwrap();
    for round in 0..2 {
        let processed = chain.run(batch(&["a", "c", "b"], round * 3)).unwrap();
        assert_eq!(kept(&processed), ["a", "b"]);
        assert_eq!(processed.rejected[0].reason, "plugin_table: it needed more than 5000 table entries");
    }
    let error = Chain::new(vec![spec(0)]).err().unwrap().to_string();
    assert!(error.contains("failed in `init`: it needed more than 0 table entries"), "{error}");
}

#[test]
fn what_a_stage_may_log_is_a_setting_and_an_instance_that_is_made_anew_may_not_log_more() {
    let flood = |log| {
        let mut spec = spec("log flood");
        spec.limits.log = log;
        spec.limits.timeout = Duration::from_secs(30);
        let mut chain = Chain::new(vec![spec]).unwrap();
        super::tests::logged(|| drop(chain.run(batch(&["culprit"], 0)).unwrap())).matches("xxxx").count() > 0
    };
    assert!(flood(1) && !flood(0));
    let mut spec = spec("logs and traps");
    spec.limits.log = 3;
    let mut chain = Chain::new(vec![spec]).unwrap();
    let log = super::tests::logged(|| drop(chain.run(batch(&["culprit"; 20], 0)).unwrap()));
    let lines = log.matches("about to trap").count();
    assert!((1..=6).contains(&lines), "{lines} lines, 3 a second, of 21 instances: {log}");
}

#[test]
fn the_stack_is_a_setting() {
    let deepest = |stack| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/hostile");
        let built = build(&folder, &mut |_| {}).unwrap();
        let plugin = Plugin::load(&PluginEngine::with(stack, false).unwrap(), &built.wasm).unwrap();
        let mut chain = Chain::new(vec![StageSpec { plugin, ..spec("recursion to a depth") }]).unwrap();
        chain.run(batch(&["culprit"], 0)).unwrap().rejected.pop().map(|rejected| rejected.reason)
    };
    assert_eq!(deepest(1 << 20), None, "a depth that a large stack has room for");
    assert!(deepest(64 << 10).unwrap().starts_with("plugin_trap: it trapped: wasm trap: call stack exhausted"));
}
