//! The parts by themselves: crossing into the sandbox, projection, each shipped plugin, a commit of state, a swap.
//!
//! `cargo bench -p millstream-bench --bench parts`. Throughput is in records; a batch has 4,096.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use millstream::{
    config::Durability,
    plugin::PluginEngine,
    record::{Batch, Columns, Field, Handled, Positions, Want},
    state::{Changelog, Commit, StageState, Totals},
    transform::{Chain, StageSpec, project::Projector},
};
use millstream_bench::fixture::{BATCH_RECORDS, Shipped, documents, users};

/// Different batches, so that no branch predictor knows the records by heart.
const BATCHES: usize = 16;
const KEYS: u64 = 1_000;

/// What the shipped store pipeline projects for its stages.
const CHECKED: [&str; 4] = ["/id", "/email", "/gender", "/registered_date"];
/// What its table takes.
const CELLS: [&str; 11] = [
    "/id",
    "/first_name",
    "/last_name",
    "/gender",
    "/address",
    "/post_code",
    "/email",
    "/username",
    "/registered_date",
    "/phone",
    "/picture",
];
/// What `format-user` projects of a raw document.
const DOCUMENT: [&str; 15] = [
    "/name/first",
    "/name/last",
    "/gender",
    "/location/street/number",
    "/location/street/name",
    "/location/city",
    "/location/state",
    "/location/country",
    "/location/postcode",
    "/email",
    "/login/username",
    "/dob/date",
    "/registered/date",
    "/phone",
    "/picture/medium",
];

fn projection(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("project");
    group.throughput(Throughput::Elements(BATCH_RECORDS as u64));
    let cases = [
        ("4 of a user", &CHECKED[..], users(BATCHES)),
        ("11 of a user", &CELLS, users(BATCHES)),
        ("15 of a document", &DOCUMENT, documents(BATCHES)),
    ];
    for (name, pointers, batches) in cases {
        let fields: Vec<_> =
            pointers.iter().map(|pointer| Field { pointer: (*pointer).to_owned(), want: Want::Text }).collect();
        let mut projector = Projector::new(&fields).unwrap();
        let mut columns = Columns::new(fields.len());
        let mut batches = batches.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let batch = batches.next().unwrap();
                columns.clear();
                for row in 0..batch.len() {
                    projector.project(batch.values.get_opt(row), &mut columns);
                }
            });
        });
    }
    group.finish();
}

fn stages(criterion: &mut Criterion) {
    let engine = PluginEngine::new().unwrap();
    let mut group = criterion.benchmark_group("run");
    group.throughput(Throughput::Elements(BATCH_RECORDS as u64));
    let nothing_to_do = StageSpec {
        config: r#"{"required": [], "rules": []}"#.to_owned(),
        ..Shipped::Validate.stage(&engine).unwrap()
    };
    let [format, validate, dedup] = Shipped::ALL.map(|plugin| plugin.stage(&engine).unwrap());
    let cases = [
        ("a plugin with nothing to do", vec![nothing_to_do], users(BATCHES)),
        ("format-user", vec![format], documents(BATCHES)),
        ("validate", vec![validate.clone()], users(BATCHES)),
        ("dedup", vec![dedup.clone()], users(BATCHES)),
        ("validate, dedup", vec![validate, dedup], users(BATCHES)),
    ];
    for (name, specs, batches) in cases {
        let mut chain = Chain::new(specs).unwrap();
        let mut batches = batches.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| one_batch(&mut chain, batches.next().unwrap())).sum());
        });
    }
    group.finish();
}

/// The time of one batch. What it has kept is undone, outside of the time, so that the next one finds its ids new.
fn one_batch(chain: &mut Chain, batch: &Arc<Batch>) -> Duration {
    let begun = Instant::now();
    let processed = chain.run(batch.clone()).unwrap();
    let took = begun.elapsed();
    chain.undo(&processed.writes, |_| true);
    took
}

fn commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    group.throughput(Throughput::Elements(KEYS));
    for (name, durability) in
        [("1,000 keys, to the system", Durability::Os), ("1,000 keys, to the disk", Durability::Commit)]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut state = StageState::new();
        state.declare("seen", 0);
        let mut stages = BTreeMap::from([("dedup".to_owned(), state)]);
        let (mut changelog, _) = Changelog::open(folder.path(), durability, &mut stages, 0).unwrap();
        let mut count = 0;
        group.bench_function(name, |bencher| {
            let state = stages.get_mut("dedup").unwrap();
            bencher.iter_custom(|times| (0..times).map(|_| one_commit(&mut changelog, state, &mut count)).sum());
        });
    }
    group.finish();
}

fn one_commit(changelog: &mut Changelog, state: &mut StageState, count: &mut u64) -> Duration {
    for row in 0..KEYS {
        *count += 1;
        let key = u128::from(*count).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_le_bytes();
        assert!(state.put_if_absent(0, row as u32, &key, 1).unwrap());
    }
    let writes = state.take_writes();
    let positions: Positions = [(0, *count as i64)].into_iter().collect();
    let totals = Totals { consumed: *count, written: *count, ..Totals::default() };
    let (writes, durable) = ([("dedup", &writes)], |_: u32| true);
    let begun = Instant::now();
    changelog
        .commit(&Commit {
            positions: &positions,
            totals: &totals,
            writes: &writes,
            handled: &Handled::default(),
            durable: &durable,
            time_ms: 1,
        })
        .unwrap();
    begun.elapsed()
}

/// Between two batches: other instances, and the state that goes over to them.
fn swap(criterion: &mut Criterion) {
    let engine = PluginEngine::new().unwrap();
    let specs = Shipped::STORE.map(|plugin| plugin.stage(&engine).unwrap()).to_vec();
    let mut running = Chain::new(specs.clone()).unwrap();
    for batch in users(BATCHES) {
        running.run(batch).unwrap();
    }
    criterion.bench_function("swap validate and dedup", |bencher| {
        bencher.iter_batched(
            || Chain::new(specs.clone()).unwrap(),
            |mut next| {
                next.adopt(&mut running);
                std::mem::replace(&mut running, next)
            },
            BatchSize::PerIteration,
        );
    });
    criterion.bench_function("instantiate validate and dedup", |bencher| {
        bencher.iter_with_large_drop(|| Chain::new(specs.clone()).unwrap());
    });
}

criterion_group!(parts, projection, stages, commit, swap);
criterion_main!(parts);
