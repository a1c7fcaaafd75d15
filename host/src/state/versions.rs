//! Which version of a stage has written its state is in the changelog: what an older one left is told apart, what was taken over
//! takes its place, and what a newer one left is refused. Whatever frame a crash cuts off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeMap, path::Path};

use super::*;
use crate::{
    config::Durability,
    record::{Handled, Positions},
};

const STAGE: &str = "s";

/// Opens the changelog for a plugin of that version; with what it has restored.
fn open(folder: &Path, version: u32) -> Result<(Changelog, StageState), ChangelogError> {
    let mut state = StageState::new();
    state.declare("seen", 0);
    state.set_version(version);
    let mut stages = BTreeMap::from([(STAGE.to_owned(), state), ("other".to_owned(), StageState::new())]);
    let (changelog, _) = Changelog::open(folder, Durability::Os, &mut stages, 0)?;
    Ok((changelog, stages.remove(STAGE).unwrap()))
}

fn commit(changelog: &mut Changelog, state: &mut StageState, key: &str, value: &str) {
    state.put(0, 0, key.as_bytes(), value.as_bytes(), 1).unwrap();
    let writes = state.take_writes();
    let (positions, totals) = (Positions::default(), Totals::default());
    let (positions, totals, handled) = (&positions, &totals, &Handled::default());
    let writes = &[(STAGE, &writes)];
    changelog.commit(&Commit { positions, totals, writes, handled, durable: &|_| true, time_ms: 0 }).unwrap();
}

fn get<'a>(state: &'a StageState, key: &str) -> &'a str {
    std::str::from_utf8(state.get(0, key.as_bytes(), 1).unwrap()).unwrap()
}

/// Takes over what is there of version 1, as a plugin would.
fn take_over(state: &mut StageState) -> Vec<Migrated> {
    for older in state.take_older().values() {
        for piece in older.entries() {
            let values = piece.values.iter().map(|value| [b"new ", value].concat()).collect::<Vec<_>>();
            let values = values.iter().map(Vec::as_slice).collect();
            state.import(&Entries { values, ..piece }, false);
        }
    }
    vec![Migrated { stage: STAGE.to_owned(), version: state.version(), entries: state.entries() }]
}

#[test]
fn what_was_taken_over_takes_the_place_of_what_was_there_with_the_next_commit_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (mut changelog, mut state) = open(folder, 1).unwrap();
    commit(&mut changelog, &mut state, "a", "1");
    commit(&mut changelog, &mut state, "b", "2");
    drop(changelog);
    // The newer version comes, and goes again before it has committed anything: the older one finds all as it was.
    for _ in 0..2 {
        let (mut changelog, mut state) = open(folder, 2).unwrap();
        assert!(state.is_empty());
        assert_eq!(state.older_versions().collect::<Vec<_>>(), [1]);
        changelog.migrated(take_over(&mut state));
        assert_eq!((get(&state, "a"), get(&state, "b")), ("new 1", "new 2"));
        drop(changelog);
        let (_, state) = open(folder, 1).unwrap();
        assert_eq!((get(&state, "a"), get(&state, "b")), ("1", "2"));
    }
    let (mut changelog, mut state) = open(folder, 2).unwrap();
    changelog.migrated(take_over(&mut state));
    commit(&mut changelog, &mut state, "b", "3");
    commit(&mut changelog, &mut state, "c", "4");
    drop(changelog);
    for _ in 0..2 {
        let (_, state) = open(folder, 2).unwrap();
        assert_eq!(state.older_versions().count(), 0, "nothing is taken over twice");
        assert_eq!((state.len(), get(&state, "a"), get(&state, "b"), get(&state, "c")), (3, "new 1", "3", "4"));
    }
    let error = open(folder, 1).map(|_| ()).unwrap_err();
    assert!(matches!(&error, ChangelogError::Newer { newer, .. } if (newer.found, newer.keeps) == (2, 1)));
    let message = error.to_string();
    assert!(
        message.contains("stage `s` has kept state of version 2, and its plugin is made for version 1"),
        "{message}"
    );
    assert!(open(folder, 2).is_ok(), "refusing has changed nothing");
    // Version 3 finds what version 2 has left, and nothing of version 1.
    let (_, state) = open(folder, 3).unwrap();
    assert_eq!(state.older_versions().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_crash_while_taken_over_state_is_written_leaves_the_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (mut changelog, mut state) = open(folder, 1).unwrap();
    commit(&mut changelog, &mut state, "a", "1");
    drop(changelog);
    let (mut changelog, mut state) = open(folder, 2).unwrap();
    changelog.migrated(take_over(&mut state));
    commit(&mut changelog, &mut state, "b", "2");
    drop(changelog);
    // The crash came before the segment had its name; what was being written is beside it.
    let segments = || {
        let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = all.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
        all.sort();
        all
    };
    let last = segments().pop().unwrap();
    std::fs::rename(&last, last.with_extension("new")).unwrap();
    let (_, state) = open(folder, 1).unwrap();
    assert_eq!((state.len(), get(&state, "a")), (1, "1"));
}
