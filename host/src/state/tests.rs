//! The changelog survives what a crash does to it, and refuses what damage does to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeMap, fs, path::Path};

use super::*;
use crate::{
    config::Durability,
    record::{Handled, Positions},
};

fn stages(ttl_ms: u64) -> BTreeMap<String, StageState> {
    let mut state = StageState::new();
    state.declare("seen", ttl_ms);
    [("dedup".to_owned(), state)].into()
}

fn open(folder: &Path, ttl_ms: u64, now_ms: i64) -> Result<(Changelog, Restored, StageState), ChangelogError> {
    let mut stages = stages(ttl_ms);
    let (changelog, restored) = Changelog::open(folder, Durability::Os, &mut stages, now_ms)?;
    Ok((changelog, restored, stages.remove("dedup").unwrap()))
}

fn commit(changelog: &mut Changelog, state: &mut StageState, n: u64, refused: Option<u32>) {
    let time_ms = n as i64 * 1000;
    for row in 0..10u32 {
        let key = u128::from(n * 100 + u64::from(row)).to_be_bytes();
        state.put_if_absent(0, row, &key, n as u32).unwrap();
    }
    state.put(0, 3, format!("key{n}").as_bytes(), b"value", n as u32).unwrap();
    let writes = state.take_writes();
    let totals = Totals { consumed: n * 10, written: n * 10, ..Totals::default() };
    let positions: Positions = [(0, n as i64 * 10)].into_iter().collect();
    let durable = |row| Some(row) != refused;
    let writes = [("dedup", &writes)];
    changelog
        .commit(&Commit {
            positions: &positions,
            totals: &totals,
            writes: &writes,
            handled: &Handled::default(),
            durable: &durable,
            time_ms,
        })
        .unwrap();
}

fn last_segment(folder: &Path) -> std::path::PathBuf {
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|p| p.extension().is_some_and(|e| e == "segment"));
    all.sort();
    all.pop().unwrap()
}

#[test]
fn what_was_committed_is_restored_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (mut changelog, restored, mut state) = open(folder.path(), 0, 0).unwrap();
    assert!(restored.positions.is_empty());
    commit(&mut changelog, &mut state, 1, None);
    commit(&mut changelog, &mut state, 2, Some(7));
    state.put_if_absent(0, 0, b"not committed yet", 3).unwrap();
    drop(changelog);
    let (_, restored, mut state) = open(folder.path(), 0, 0).unwrap();
    assert_eq!(restored.positions.next_offset(0), Some(20));
    assert_eq!((restored.totals.consumed, restored.totals.drift()), (20, 0));
    assert_eq!(state.get(0, b"key2", 9).unwrap(), b"value");
    assert!(!state.put_if_absent(0, 0, &206u128.to_be_bytes(), 9).unwrap());
    assert!(state.put_if_absent(0, 0, &207u128.to_be_bytes(), 9).unwrap(), "its record was refused");
    assert!(state.put_if_absent(0, 0, b"not committed yet", 9).unwrap());
}

#[test]
fn commits_that_are_made_together_are_there_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (mut changelog, _, mut state) = open(folder.path(), 0, 0).unwrap();
    commit(&mut changelog, &mut state, 1, None);
    let segment = last_segment(folder.path());
    let before = fs::read(&segment).unwrap().len();
    let writes: Vec<_> = (2..5u32)
        .map(|n| {
            state.put_if_absent(0, 0, &u128::from(n).to_be_bytes(), n).unwrap();
            state.put(0, 1, b"last", n.to_string().as_bytes(), n).unwrap();
            state.take_writes()
        })
        .collect();
    let writes: Vec<_> = writes.iter().map(|writes| [("dedup", writes)]).collect();
    let positions: Vec<Positions> = (2..5).map(|n| [(n, 10 * i64::from(n))].into_iter().collect()).collect();
    let totals = Totals { consumed: 40, written: 40, ..Totals::default() };
    let (handled, time_ms) = (&Handled::default(), 9_000);
    // Of the middle one the record of row 1 was refused.
    let durable: [&dyn Fn(u32) -> bool; 3] = [&|_| true, &|row| row != 1, &|_| true];
    let commits = positions.iter().zip(&writes).zip(durable);
    let commits: Vec<_> = commits
        .map(|((positions, writes), durable)| Commit { positions, totals: &totals, writes, handled, durable, time_ms })
        .collect();
    changelog.commit_all(&commits).unwrap();
    drop(changelog);
    let whole = fs::read(&segment).unwrap();
    let (_, restored, state) = open(folder.path(), 0, 0).unwrap();
    assert_eq!([0, 2, 3, 4].map(|partition| restored.positions.next_offset(partition)), [10, 20, 30, 40].map(Some));
    assert_eq!((restored.totals.consumed, state.get(0, b"last", 9).unwrap()), (40, b"4".as_slice()));
    for cut in before + 1..whole.len() {
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join(segment.file_name().unwrap()), &whole[..cut]).unwrap();
        let (_, restored, mut state) = open(other.path(), 0, 0).unwrap();
        assert_eq!((restored.totals.consumed, restored.positions.next_offset(2)), (10, None), "cut at {cut}");
        assert!(state.put_if_absent(0, 0, &2u128.to_be_bytes(), 9).unwrap(), "cut at {cut}");
    }
}

#[test]
fn a_frame_torn_anywhere_is_cut_off_and_the_one_before_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (mut changelog, _, mut state) = open(folder.path(), 0, 0).unwrap();
    commit(&mut changelog, &mut state, 1, None);
    let segment = last_segment(folder.path());
    let whole = fs::read(&segment).unwrap().len();
    commit(&mut changelog, &mut state, 2, None);
    drop(changelog);
    let bytes = fs::read(&segment).unwrap();
    for cut in whole + 1..bytes.len() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(segment.file_name().unwrap()), &bytes[..cut]).unwrap();
        let (_, restored, _) = open(folder.path(), 0, 0).unwrap();
        assert_eq!(restored.positions.next_offset(0), Some(10), "cut at byte {cut}");
        let (_, restored, _) = open(folder.path(), 0, 0).unwrap();
        assert_eq!(restored.totals.consumed, 10, "the cut is for good");
    }
}

#[test]
fn damage_before_the_last_frame_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut changelog, _, mut state) = open(folder.path(), 0, 0).unwrap();
    commit(&mut changelog, &mut state, 1, None);
    commit(&mut changelog, &mut state, 2, None);
    drop(changelog);
    let segment = last_segment(folder.path());
    let bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    let mut damaged = bytes.clone();
    damaged[middle] ^= 0x40;
    fs::write(&segment, &damaged).unwrap();
    let message = open(folder.path(), 0, 0).unwrap_err().to_string();
    assert!(message.contains("is damaged at byte") && message.contains(".segment"), "{message}");
    fs::write(&segment, b"something else").unwrap();
    assert!(matches!(open(folder.path(), 0, 0), Err(ChangelogError::Foreign(_))));
}

#[test]
fn a_segment_that_was_taken_away_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let mut segments = Vec::new();
    for n in 1..=3 {
        let (mut changelog, _, mut state) = open(folder.path(), 0, 0).unwrap();
        commit(&mut changelog, &mut state, n, None);
        segments.push(last_segment(folder.path()));
    }
    let middle = fs::read(&segments[1]).unwrap();
    fs::remove_file(&segments[1]).unwrap();
    let message = open(folder.path(), 0, 0).unwrap_err().to_string();
    let name = segments[2].file_name().unwrap().to_str().unwrap();
    assert!(message.contains(&format!("{name}` is damaged at byte 8")), "{message}");
    assert!(message.contains("the frames 3 to 4 are missing before it; restore the file from a backup"), "{message}");
    fs::write(&segments[1], middle).unwrap();
    assert_eq!(open(folder.path(), 0, 0).unwrap().1.totals.consumed, 30);
}

#[test]
fn a_segment_of_another_format_or_without_its_first_frame_is_told_apart_from_a_foreign_file() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), 0, 0).unwrap());
    let segment = last_segment(folder.path());
    for (content, words) in [
        (b"MSCLOG00 and more".as_slice(), "has changelog format 00, and this version reads format 01"),
        (b"MSCLOG12", "has changelog format 12, and this version reads format 01"),
        (b"MSCLOGxx", "is no changelog, although its name says so"),
        (b"{\"json\": 1}", "is no changelog, although its name says so"),
        (b"", "is damaged at byte 0: it ends there"),
        (b"MSCL", "is damaged at byte 4: it ends there"),
        (b"MSCLOG01", "is damaged at byte 8: its first frame is missing"),
        (b"MSCLOG01\x09\0", "is damaged at byte 8"),
    ] {
        fs::write(&segment, content).unwrap();
        let message = open(folder.path(), 0, 0).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        assert!(message.contains("move the folder away to begin anew"), "{message}");
    }
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), 0, 0).unwrap();
    assert!(matches!(open(folder.path(), 0, 0), Err(ChangelogError::Locked(_))));
    drop(first);
    assert!(open(folder.path(), 0, 0).is_ok());
}

#[test]
fn segments_expire_with_their_entries_and_positions_outlive_them() {
    let folder = tempfile::tempdir().unwrap();
    let (mut changelog, _, mut state) = open(folder.path(), 480_000, 0).unwrap();
    for n in 1..2_000 {
        commit(&mut changelog, &mut state, n, None);
    }
    drop(changelog);
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert!((8..=12).contains(&left), "{left} files: eight of a TTL's length, the current one and the lock");
    let (_, restored, mut state) = open(folder.path(), 480_000, 2_000_000).unwrap();
    assert_eq!(restored.positions.next_offset(0), Some(19_990));
    assert!(!state.put_if_absent(0, 0, &199_900u128.to_be_bytes(), 2_000).unwrap());
    assert!(state.put_if_absent(0, 0, &100_000u128.to_be_bytes(), 2_000).unwrap());
}
