//! Samples hold or fail for what they say, and a file that says nothing sensible is refused with its line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::plugin::{Grants, Limits, Plugin, PluginEngine, StageName, build::build};

const ID: &str = "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6";

/// The shipped dedup as a stage; its own configuration has another key than the samples'.
fn dedup() -> StageSpec {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/dedup");
    let built = build(&folder, &mut |_| {}).unwrap();
    StageSpec {
        name: StageName { pipeline: "p".into(), stage: "dedup".into() },
        plugin: Plugin::load(&PluginEngine::new().unwrap(), &built.wasm).unwrap(),
        config: r#"{"key":"other"}"#.to_owned(),
        limits: Limits { grants: Grants::named(&["state"]), ..Limits::default() },
    }
}

fn parse(text: &str) -> Result<Samples, SamplesError> {
    Samples::parse("p/samples.toml".into(), text)
}

#[test]
fn samples_run_in_order_on_one_state_and_each_that_fails_is_named_with_its_line() {
    let text = format!(
        "config = {{ key = \"id\", format = \"uuid\" }}\n\n\
         [[sample]]\nvalue = '{{\"id\":\"{ID}\"}}'\nkey = \"k\"\nkeep = true\n\n\
         [[sample]]\nname = \"again\"\nvalue = '{{\"id\":\"{ID}\"}}'\ndrop = \"duplicate\"\n\n\
         [[sample]]\nvalue = '{{}}'\nreject = \"bad_key\"\n\n\
         [[sample]]\nvalue = '{{}}'\nreject = \"bad_key: id\"\n\n\
         [[sample]]\nname = \"wrong\"\nvalue = '{{}}'\nreject = \"bad_key: other\"\n\n\
         [[sample]]\nvalue = '{{\"id\":\"{ID}\"}}'\nreplace = \"x\"\nkeys = [\"y\"]\n"
    );
    let samples = parse(&text).unwrap();
    let tried = samples.run(&dedup()).unwrap();
    assert_eq!(tried.iter().map(|tried| tried.held).collect::<Vec<_>>(), [true, true, true, true, false, false]);
    assert_eq!(
        samples.faults(&tried).unwrap(),
        "p/samples.toml:21: sample (wrong): expected to be rejected (`bad_key: other`), was rejected (`bad_key: id`)\n\
         p/samples.toml:26: sample: expected to be written as `x` with key `y`, was dropped (`duplicate`)"
    );
    assert_eq!(samples.faults(&tried[..4]), None);
}

#[test]
fn without_a_configuration_of_their_own_samples_run_with_the_stages() {
    let samples = parse("[[sample]]\nvalue = '{\"other\":1}'\nkeep = true\n").unwrap();
    let tried = samples.run(&dedup()).unwrap();
    assert_eq!(samples.faults(&tried), None);
    let error = parse("config = { keys = 1 }\n").unwrap().run(&dedup()).unwrap_err();
    assert!(crate::pipeline::chain_of(&error).contains("unknown field `keys`"), "{error}");
}

#[test]
fn what_a_sample_must_say_and_must_not_is_refused_with_its_line() {
    for (text, expected) in [
        ("[[sample]]\nvalue = \"\"\n", "1: a sample says in one word"),
        ("\n[[sample]]\nkeep = false\n", "2: a sample says in one word"),
        ("[[sample]]\nkeep = true\n\n[[sample]]\nkeep = true\ndrop = \"x\"\n", "4: a sample says in one word"),
        ("[[sample]]\nsplit = [\"a\", \"b\"]\nkeys = [\"k\"]\n", "1: 1 `keys` for 2 records"),
        ("[[sample]]\nkeep = true\nkeys = [\"k\"]\n", "1: `keys` go with"),
        ("[[sample]]\nkeep = true\n\nvalues = \"x\"\n", "4: unknown field `values`"),
        ("[[sample]\n", "1: "),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("p/samples.toml:{expected}")), "{text}: {error}");
    }
}

#[test]
fn a_plugins_samples_lie_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Samples::of(folder.path()).unwrap().is_none());
    std::fs::write(folder.path().join("samples.toml"), "[[sample]]\nkeep = true\n").unwrap();
    assert_eq!(Samples::of(folder.path()).unwrap().unwrap().samples.len(), 1);
    assert_eq!(Samples::beside(&folder.path().join("a.wasm")), folder.path().join("a.samples.toml"));
}
