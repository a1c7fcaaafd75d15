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
        timeout: Duration::from_millis(100),
        output: 16 << 20,
        grants: Grants::named(&["state"]),
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
