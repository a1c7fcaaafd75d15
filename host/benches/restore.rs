//! What 10,000,000 dedup keys cost: restoring them at a start, keeping them, and committing beside them.
//!
//! `cargo bench -p millstream --bench restore [-- KEYS]` prints two tables. The restore runs in a process of its own, so that
//! its memory is not mixed up with what filling took. CPU times are this thread's; nothing else runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use millstream::{
    config::Durability,
    record::{Handled, Positions},
    state::{Changelog, Commit, StageState, Totals},
};

const KEYS: u64 = 10_000_000;
const KEYS_PER_FRAME: u64 = 1_000;
/// Keys in state at which the cost of a commit is told, in thousandths of all.
const MARKS: [u64; 4] = [10, 100, 500, 1_000];
/// Commits that are measured up to each mark.
const MEASURED: u64 = 100;
/// Makes the program restore a folder instead, and print what it took.
const RESTORE: &str = "--restore-this";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == RESTORE) {
        return restore(Path::new(&arguments[at + 1]));
    }
    let keys = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(KEYS);
    let profile =
        if cfg!(debug_assertions) { "with debug assertions: build with --release for figures" } else { "release" };
    println!("{keys} keys of 16 bytes, frames of {KEYS_PER_FRAME}, durability `os`, {profile}\n");
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), keys);
    let bytes: u64 = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    println!("\nchangelog: {} MiB\n", bytes >> 20);
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program).arg(RESTORE).arg(folder.path()).status().unwrap();
    assert!(status.success());
}

/// A key as random as a UUID, and the same in each run.
fn key(n: u64) -> [u8; 16] {
    let mut mixed = [n, n ^ 0x9E37_79B9_7F4A_7C15];
    for half in &mut mixed {
        *half = (*half ^ (*half >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        *half = (*half ^ (*half >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        *half ^= *half >> 31;
    }
    let [first, second] = mixed.map(u64::to_le_bytes);
    [first, second].concat().try_into().unwrap()
}

fn stages() -> BTreeMap<String, StageState> {
    let mut state = StageState::new();
    state.declare("seen", 0);
    BTreeMap::from([("dedup".to_owned(), state)])
}

/// Writes the changelog, and tells what commits and the insertions before them cost at each mark.
fn fill(folder: &Path, keys: u64) {
    let mut stages = stages();
    let (mut changelog, _) = Changelog::open(folder, Durability::Os, &mut stages, 0).unwrap();
    let state = stages.get_mut("dedup").unwrap();
    let frames = keys / KEYS_PER_FRAME;
    let marks = MARKS.map(|mark| frames * mark / 1_000);
    let (mut inserting, mut committing, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    println!(
        "{:>12}  {:>18}  {:>18}  {:>22}",
        "keys", "insert 1,000 keys", "commit 1,000 keys", "slowest of them (wall)"
    );
    for frame in 1..=frames {
        let begun = cpu_time();
        for row in 0..KEYS_PER_FRAME {
            let key = key(frame * KEYS_PER_FRAME + row);
            assert!(state.put_if_absent(0, row as u32, &key, 1).unwrap(), "all keys are different");
        }
        let writes = state.take_writes();
        let inserted = cpu_time();
        let started = Instant::now();
        let count = frame * KEYS_PER_FRAME;
        let positions: Positions = [(0, count as i64)].into_iter().collect();
        let totals = Totals { consumed: count, written: count, ..Totals::default() };
        let (writes, durable) = ([("dedup", &writes)], |_: u32| true);
        let commit = Commit {
            positions: &positions,
            totals: &totals,
            writes: &writes,
            handled: &Handled::default(),
            durable: &durable,
            time_ms: 1,
        };
        changelog.commit(&commit).unwrap();
        let committed = cpu_time();
        let Some(mark) = marks.iter().find(|mark| (**mark + 1 - MEASURED.min(**mark)..=**mark).contains(&frame)) else {
            continue;
        };
        inserting += inserted - begun;
        committing += committed - inserted;
        slowest = slowest.max(started.elapsed());
        if frame == *mark {
            let each = |time: &mut Duration| std::mem::take(time).as_micros() / u128::from(MEASURED.min(*mark));
            let slowest = std::mem::take(&mut slowest).as_micros();
            println!(
                "{count:>12}  {:>15} µs  {:>15} µs  {slowest:>19} µs",
                each(&mut inserting),
                each(&mut committing)
            );
        }
    }
}

fn restore(folder: &Path) {
    let before_kib = memory_kib("VmRSS");
    let mut stages = stages();
    let (begun, started) = (cpu_time(), Instant::now());
    let (changelog, restored) = Changelog::open(folder, Durability::Os, &mut stages, 0).unwrap();
    let (wall, cpu) = (started.elapsed(), cpu_time() - begun);
    let (entries, after_kib) = (stages["dedup"].len() as u64, memory_kib("VmRSS"));
    assert_eq!(entries, restored.entries);
    drop(changelog);
    let rows = [
        ("keys restored", format!("{entries}")),
        (
            "time",
            format!(
                "{:.2} s (CPU {:.2} s, {} ns a key)",
                wall.as_secs_f64(),
                cpu.as_secs_f64(),
                cpu.as_nanos() as u64 / entries.max(1)
            ),
        ),
        ("peak memory", format!("{} MiB", memory_kib("VmHWM") / 1_024)),
        (
            "memory afterwards",
            format!("{} MiB, {} bytes a key", after_kib / 1_024, (after_kib - before_kib) * 1_024 / entries.max(1)),
        ),
    ];
    for (what, figure) in rows {
        println!("{what:>20}  {figure}");
    }
}

/// Time that this thread, which is the only one, has spent on a CPU.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` and keeps nothing of it.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn memory_kib(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("memory is told by Linux alone");
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
