//! What the host allocates and copies for a record: in the stages alone, and on the whole way from a file to nothing.
//!
//! The allocator of this program counts. What a start costs is left out: the same is done with fewer and with more records,
//! and the difference counts. librdkafka and guests have allocators of their own, which are not seen here.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use millstream::{
    config,
    pipeline::{Host, prepare},
    plugin::PluginEngine,
};
use millstream_bench::fixture::{self, BATCH_RECORDS, Shipped};
use xtask::dataset::{self, Verdict};

use crate::{alone, compare, copies};

/// How state grows, and when its tables double, is part of it.
const PERCENT: f64 = 5.0;
/// How many batches share a commit depends on how fast the machine is.
const WHOLE_PERCENT: f64 = 25.0;
const WARM_UP: usize = 8;
const MEASURED: usize = 16;
const FEWER: u64 = 20_000;
const MORE: u64 = 60_000;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

fn count(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Allocations, bytes of them, and bytes copied.
type Counts = [u64; 3];

/// So far.
fn so_far() -> Counts {
    [ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed), copies::so_far()]
}

#[test]
fn the_host_allocates_and_copies_no_more_for_a_record_than_it_did() {
    let _alone = alone();
    let mut counted = BTreeMap::new();
    let mut note = |what: &str, [allocations, bytes, copied]: [f64; 3]| {
        counted.insert(format!("{what}: allocations"), (allocations * 1e3).round() / 1e3);
        counted.insert(format!("{what}: bytes"), bytes.round());
        counted.insert(format!("{what}: bytes copied"), copied.round());
    };
    note("validate and dedup", stages(&Shipped::STORE, fixture::users(WARM_UP + MEASURED)));
    note("validate and dedup, nothing invalid", stages(&Shipped::STORE, fixture::valid_users(WARM_UP + MEASURED)));
    note("format-user", stages(&[Shipped::FormatUser], fixture::documents(WARM_UP + MEASURED)));
    compare("allocated per record", &counted, PERCENT, false);

    // Not the bytes of allocations: they are few, and how many buffers are under way at a time is a matter of timing.
    let mut whole = BTreeMap::new();
    for (what, also_invalid) in [("all", true), ("nothing invalid", false)] {
        let [fewer, more] = [FEWER, MORE].map(|records| pipeline(records, also_invalid));
        let per_record = |i: usize| more[i].saturating_sub(fewer[i]) as f64 / (MORE - FEWER) as f64;
        whole.insert(format!("{what}: allocations"), (per_record(0) * 1e3).round() / 1e3);
        whole.insert(format!("{what}: bytes copied"), per_record(2).round());
    }
    compare("from a file to discard, per record", &whole, WHOLE_PERCENT, false);
}

/// Per record, once everything has grown to its size.
fn stages(stages: &[Shipped], batches: Vec<std::sync::Arc<millstream::record::Batch>>) -> [f64; 3] {
    let mut chain = fixture::chain(&PluginEngine::new().unwrap(), stages).unwrap();
    let mut before = so_far();
    for (number, batch) in batches.into_iter().enumerate() {
        if number == WARM_UP {
            before = so_far();
        }
        chain.run(batch).unwrap();
    }
    let after = so_far();
    [0, 1, 2].map(|i| (after[i] - before[i]) as f64 / (MEASURED * BATCH_RECORDS) as f64)
}

/// In all, by a pipeline that reads so many records from a file.
fn pipeline(records: u64, also_invalid: bool) -> Counts {
    let folder = tempfile::tempdir().unwrap();
    let is_taken = |verdict: &Verdict| also_invalid || !matches!(verdict, Verdict::Invalid(_));
    let taken = dataset::records(u64::MAX, 1).filter(|(_, verdict)| is_taken(verdict)).take(records as usize);
    let lines: String = taken.flat_map(|(line, _)| [line, "\n".to_owned()]).collect();
    std::fs::write(folder.path().join("users.ndjson"), lines).unwrap();
    let path = folder.path().join("pipeline.toml");
    std::fs::write(&path, configuration()).unwrap();
    let loaded = config::load(&path, &|_| None).unwrap_or_else(|faults| panic!("{faults}"));
    let engine = PluginEngine::new().unwrap();
    let specs = prepare(&loaded, &engine, &[], &mut |_| {}).unwrap_or_else(|faults| panic!("{faults}")).specs;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let before = so_far();
    let reports = runtime.block_on(async { Host::start(specs).wait().await });
    let after = so_far();
    assert_eq!(reports[0].figures.totals.consumed, records);
    [0, 1, 2].map(|i| after[i] - before[i])
}

fn configuration() -> String {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("plugins");
    let plugins = plugins.display();
    format!(
        "[[pipeline]]\nname = \"p\"\nuntil = \"caught-up\"\ndead_letters = {{ url = \"discard:\" }}\n\
         [pipeline.source]\nurl = \"file:users.ndjson\"\n\
         [[pipeline.stage]]\nplugin = \"{plugins}/validate\"\n\
         [[pipeline.stage]]\nplugin = \"{plugins}/dedup\"\ngrant = [\"state\"]\n\
         config = {{ key = \"id\", format = \"uuid\", ttl = \"12h\" }}\n\
         [pipeline.sink]\nurl = \"discard:\"\n"
    )
}
