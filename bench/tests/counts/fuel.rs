//! What each shipped plugin executes for a record, in units of fuel: about an instruction of WebAssembly each.

use std::collections::BTreeMap;

use millstream::plugin::PluginEngine;
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
        let before = chain.stages()[0].fuel_used().expect("it is counted");
        for batch in batches {
            chain.run(batch).unwrap();
        }
        let used = chain.stages()[0].fuel_used().expect("it is counted") - before;
        fuel.insert(plugin.name().to_owned(), round(used as f64 / (BATCHES * BATCH_RECORDS) as f64));
    }
    compare("fuel per record", &fuel, PERCENT, true);
}

#[test]
fn production_counts_no_fuel() {
    let chain = fixture::chain(&PluginEngine::new().unwrap(), &[Shipped::Dedup]).unwrap();
    assert_eq!(chain.stages()[0].fuel_used(), None);
}

fn round(count: f64) -> f64 {
    (count * 10.0).round() / 10.0
}
