//! What each shipped plugin executes for a record, in units of fuel: about an instruction of WebAssembly each.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use millstream::{
    plugin::{Limits, Plugin, PluginEngine, StageName, build::build},
    record::Batch,
    transform::{Chain, StageSpec},
};
use millstream_bench::fixture::{self, BATCH_RECORDS, Shipped};

use crate::{alone, compare};

const BATCHES: usize = 4;
const STACK: usize = 512 << 10;
/// Another compiler makes other code of the same plugin.
const PERCENT: f64 = 4.0;

#[test]
fn no_plugin_executes_more_for_a_record_than_it_did() {
    let _alone = alone();
    let engine = PluginEngine::with(STACK, true).unwrap();
    let mut fuel = BTreeMap::new();
    for plugin in Shipped::ALL {
        let mut chain = fixture::chain(&engine, &[plugin]).unwrap();
        let batches = if plugin.takes_documents() { fixture::documents(BATCHES) } else { fixture::users(BATCHES) };
        fuel.insert(plugin.name().to_owned(), round(per_record(&mut chain, batches).0));
    }
    compare("fuel per record", &fuel, PERCENT, true);
}

#[test]
fn production_counts_no_fuel() {
    let chain = fixture::chain(&PluginEngine::new().unwrap(), &[Shipped::Dedup]).unwrap();
    assert_eq!(chain.stages()[0].fuel_used(), None);
}

/// Most that reading typed records may cost above reading the same fields by hand.
const TYPED_PERCENT: f64 = 1.0;

#[test]
fn typed_records_cost_no_more_than_fields_that_are_read_by_hand() {
    let _alone = alone();
    let engine = PluginEngine::with(STACK, true).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("tests").join("guests/typed");
    let built = build(&folder, &mut |_| {}).unwrap();
    let [(by_hand, left), (derived, also_left)] = [false, true].map(|derived| {
        let spec = StageSpec {
            name: StageName { pipeline: "bench".into(), stage: "typed".into() },
            plugin: Plugin::load(&engine, &built.wasm).unwrap(),
            config: format!("{{\"derived\":{derived}}}"),
            limits: Limits { timeout: Duration::from_secs(10), ..Limits::default() },
        };
        per_record(&mut Chain::new(vec![spec]).unwrap(), fixture::users(BATCHES))
    });
    println!("fuel per record: {by_hand:.1} by hand, {derived:.1} derived, {left} and {also_left} records went on");
    assert!(left == also_left && left > 0, "the verdicts differ: {left} and {also_left} went on");
    let more = (derived / by_hand - 1.0) * 100.0;
    assert!(more <= TYPED_PERCENT, "typed records cost {more:.1} % more: {derived:.1} instead of {by_hand:.1}");
}

/// Fuel for a record, and how many records went on.
fn per_record(chain: &mut Chain, batches: Vec<Arc<Batch>>) -> (f64, usize) {
    let before = chain.stages()[0].fuel_used().expect("it is counted");
    let (mut went_on, mut records) = (0, 0);
    for batch in batches {
        went_on += chain.run(batch).unwrap().write.len();
        records += BATCH_RECORDS;
    }
    let used = chain.stages()[0].fuel_used().expect("it is counted") - before;
    (used as f64 / records as f64, went_on)
}

fn round(count: f64) -> f64 {
    (count * 10.0).round() / 10.0
}
