//! Counts that noise does not move: how much each shipped plugin executes for a record, and what the host allocates and copies.
//!
//! They are compared with `counts.json`. Where a change is meant to move them, record them anew, and commit the file:
//! `MILLSTREAM_RECORD=1 cargo test -p millstream-bench --test counts`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod allocations;
mod copies;
mod fuel;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// What one counts at a time: what others allocate meanwhile would be counted, too.
static ALONE: Mutex<()> = Mutex::new(());

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("counts.json")
}

/// Compares counts with those of the file, which may differ by so many percent.
fn compare(group: &str, counted: &BTreeMap<String, f64>, percent: f64, less_is_a_fault: bool) {
    let text = std::fs::read_to_string(file()).unwrap_or_else(|_| "{}".to_owned());
    let mut recorded: BTreeMap<String, BTreeMap<String, f64>> = serde_json::from_str(&text).unwrap();
    if std::env::var_os("MILLSTREAM_RECORD").is_some() {
        recorded.insert(group.to_owned(), counted.clone());
        std::fs::write(file(), serde_json::to_string_pretty(&recorded).unwrap() + "\n").unwrap();
        return;
    }
    let recorded = recorded.remove(group).unwrap_or_default();
    let mut faults = Vec::new();
    for (name, count) in counted {
        // What was never recorded is a fault as well.
        let was = recorded.get(name).copied().unwrap_or(0.0);
        let change = (count / was - 1.0) * 100.0;
        println!("{group}: {name}: {count:.3}, recorded {was:.3} ({change:+.1} %)");
        if change > percent || (less_is_a_fault && change < -percent) {
            faults.push(format!("{name}: {count:.3} instead of {was:.3}"));
        }
    }
    assert!(
        faults.is_empty(),
        "{group} changed by more than {percent} %: {}. If that is meant, record it: MILLSTREAM_RECORD=1 cargo test -p millstream-bench --test counts",
        faults.join(", ")
    );
}

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
