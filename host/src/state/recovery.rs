//! Properties of recovery: whatever was committed and whatever then happens to the files, a restart finds the state of
//! some whole frame, or says which file is damaged and where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::{
    config::Durability,
    record::{Handled, Positions, Replay},
};

const STAGE: &str = "keeps";
const STORES: [&str; 2] = ["seen", "last"];
/// Few, so that they meet; of the fixed size and of others.
const KEYS: [&[u8]; 6] = [&[1; 16], &[2; 16], &[3; 16], b"", b"short", b"a key that is longer than sixteen bytes"];
/// Begins every segment.
const MAGIC_BYTES: usize = 8;

/// A state write: for which record, into which store, of which key; an insertion where there is no value.
type Op = (u32, u32, usize, Option<Vec<u8>>);

#[derive(Debug, Clone)]
enum Step {
    /// State writes, records that the sink refuses, a partition, and by how far it moves.
    Commit(Vec<Op>, BTreeSet<u32>, i32, i64),
    /// A partition and how many records of it are about to be written.
    Intend(i32, i64),
    /// A restart, and with it a new segment.
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..5));
    let op = (0..4u32, 0..STORES.len() as u32, 0..KEYS.len(), value);
    let ops = proptest::collection::vec(op, 0..12);
    let refused = proptest::collection::btree_set(0..4u32, 0..3);
    let commit = (ops, refused, 0..3i32, 1..100i64).prop_map(|(a, b, c, d)| Step::Commit(a, b, c, d));
    let intend = (0..3i32, 1..100i64).prop_map(|(partition, records)| Step::Intend(partition, records));
    proptest::collection::vec(prop_oneof![6 => commit, 2 => intend, 1 => Just(Step::Reopen)], 1..16)
}

/// All that a restart brings back: positions, totals, what may have been written uncommitted, and of each key whether it is there and its value.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    positions: Positions,
    totals: Totals,
    replay: Replay,
    handled: Handled,
    entries: Vec<(bool, Vec<u8>)>,
}

/// A whole frame, and what the state was once it was written.
#[derive(Debug)]
struct Whole {
    segment: PathBuf,
    /// Where the frame ends in the segment.
    end: usize,
    seen: Seen,
}

fn entries(state: &mut StageState) -> Vec<(bool, Vec<u8>)> {
    let mut entries = Vec::new();
    for store in 0..STORES.len() as u32 {
        for key in KEYS {
            let value = state.get(store, key, 1).unwrap().to_vec();
            let there = !state.put_if_absent(store, 0, key, 1).unwrap();
            state.undo_call();
            entries.push((there, value));
        }
    }
    entries
}

fn open(folder: &Path) -> Result<(Changelog, Restored, StageState), ChangelogError> {
    let mut state = StageState::new();
    for store in STORES {
        state.declare(store, 0);
    }
    let mut stages = BTreeMap::from([(STAGE.to_owned(), state)]);
    let (changelog, restored) = Changelog::open(folder, Durability::Os, &mut stages, 0)?;
    Ok((changelog, restored, stages.remove(STAGE).unwrap()))
}

/// What is restored from a folder of these files, and the length of each afterwards.
fn restore(files: &[(PathBuf, Vec<u8>)]) -> Result<(Seen, Vec<u64>), ChangelogError> {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &Path| folder.path().join(file.file_name().unwrap());
    for (file, bytes) in files {
        fs::write(path(file), bytes).unwrap();
    }
    let seen = || {
        let (_, restored, mut state) = open(folder.path())?;
        let Restored { positions, totals, replay, handled, .. } = restored;
        Ok(Seen { positions, totals, replay, handled, entries: entries(&mut state) })
    };
    let first = seen()?;
    let lengths = files.iter().map(|(file, _)| fs::metadata(path(file)).unwrap().len()).collect();
    assert_eq!(seen()?, first, "a second restart finds the same");
    Ok((first, lengths))
}

fn segments(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Runs the steps as the pipeline does, and returns the files and what each whole frame stands for.
fn run(steps: &[Step]) -> (Vec<(PathBuf, Vec<u8>)>, Vec<Whole>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut changelog, _, mut state) = open(folder.path()).unwrap();
    let (mut positions, mut totals, mut handled) = (Positions::default(), Totals::default(), Handled::default());
    let mut whole = Vec::new();
    let mut frame =
        |positions: &Positions, totals: &Totals, handled: &Handled, replay: &Replay, state: &mut StageState| {
            let (segment, bytes) = segments(folder.path()).pop().unwrap();
            let seen = Seen {
                positions: positions.clone(),
                totals: totals.clone(),
                replay: replay.clone(),
                handled: handled.clone(),
                entries: entries(state),
            };
            whole.push(Whole { segment, end: bytes.len(), seen });
        };
    frame(&positions, &totals, &handled, changelog.replay(), &mut state);
    for step in steps {
        match step {
            Step::Commit(ops, refused, partition, moves) => {
                for (row, store, key, value) in ops {
                    match value {
                        None => drop(state.put_if_absent(*store, *row, KEYS[*key], 1).unwrap()),
                        Some(value) => state.put(*store, *row, KEYS[*key], value, 1).unwrap(),
                    }
                }
                let writes = state.take_writes();
                positions.set_next(*partition, positions.next_offset(*partition).unwrap_or_default() + moves);
                totals.consumed += 4;
                totals.written += 4 - refused.len() as u64;
                refused.iter().for_each(|row| totals.dead_letter_one(&Cause::new("sink", &format!("reason{row}"))));
                let durable = |row| !refused.contains(&row);
                let moved = [(*partition, positions.next_offset(*partition).unwrap())].into_iter().collect();
                let mut letters = Handled::default();
                letters.add("letters", *partition, *moves, *moves + 2);
                handled.merge(&letters);
                let commit = Commit {
                    positions: &moved,
                    totals: &totals,
                    writes: &[(STAGE, &writes)],
                    handled: &letters,
                    durable: &durable,
                    time_ms: 0,
                };
                changelog.commit(&commit).unwrap();
                state.undo(&writes, |row| refused.contains(&row));
            }
            Step::Intend(partition, records) => {
                let until = positions.next_offset(*partition).unwrap_or_default() + records;
                changelog.intend(&[(*partition, until)].into_iter().collect(), 7).unwrap();
            }
            Step::Reopen => {
                drop(changelog);
                (changelog, _, state) = open(folder.path()).unwrap();
            }
        }
        frame(&positions, &totals, &handled, changelog.replay(), &mut state);
    }
    (segments(folder.path()), whole)
}

/// The last frame that is whole where a segment ends at `end` and no segment follows.
fn last_before<'a>(whole: &'a [Whole], segment: &Path, end: usize) -> Option<&'a Whole> {
    whole.iter().rev().find(|frame| frame.segment < *segment || frame.segment == segment && frame.end <= end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_restart_finds_what_was_committed(steps in steps()) {
        let (files, whole) = run(&steps);
        prop_assert_eq!(&restore(&files).unwrap().0, &whole.last().unwrap().seen);
    }

    #[test]
    fn a_segment_cut_anywhere_leaves_the_last_whole_frame(steps in steps(), cuts in proptest::collection::vec(any::<Index>(), 4)) {
        let (files, whole) = run(&steps);
        for cut in cuts {
            let mut files = files.clone();
            let (path, bytes) = files.last_mut().unwrap();
            let cut = MAGIC_BYTES + cut.index(bytes.len() + 1 - MAGIC_BYTES);
            bytes.truncate(cut);
            let path = path.clone();
            let first = whole.iter().find(|frame| frame.segment == path).unwrap();
            if cut < first.end {
                let error = restore(&files).map(|_| ()).unwrap_err();
                prop_assert!(matches!(error, ChangelogError::Damaged { .. }), "no crash cuts a first frame: {}", error);
                continue;
            }
            let (seen, lengths) = restore(&files).unwrap();
            let expected = last_before(&whole, &path, cut).unwrap();
            prop_assert_eq!(&seen, &expected.seen, "cut at {}", cut);
            if expected.segment == path {
                prop_assert_eq!(lengths.last(), Some(&(expected.end as u64)), "cut off behind the last whole frame");
            }
        }
    }

    #[test]
    fn what_is_missing_in_the_middle_is_missed(steps in steps(), which: Index, frames: Index) {
        let (files, whole) = run(&steps);
        prop_assume!(files.len() > 1);
        // The whole segment, or so many of its last frames. The oldest one may have expired, and the last one's end is
        // as a crash leaves it.
        let which = which.index(files.len() - 1);
        let path = &files[which].0;
        let ends: Vec<usize> = whole.iter().filter(|frame| frame.segment == *path).map(|frame| frame.end).collect();
        let mut damaged = files.clone();
        match ends[..ends.len() - 1].get(frames.index(ends.len())) {
            Some(end) => damaged[which].1.truncate(*end),
            None if which > 0 => drop(damaged.remove(which)),
            None => return Ok(()),
        }
        let next = files[which + 1].0.file_name();
        match restore(&damaged) {
            Err(ChangelogError::Damaged { path, offset, what }) => {
                prop_assert_eq!(path.file_name(), next);
                prop_assert_eq!(offset, MAGIC_BYTES as u64);
                prop_assert!(what.contains("missing before it"), "{}", what);
            }
            other => prop_assert!(false, "{:?}", other.map(|_| ())),
        }
    }

    #[test]
    fn a_flipped_bit_is_never_a_silent_loss(steps in steps(), flips in proptest::collection::vec((any::<Index>(), any::<Index>(), 0..8u32), 6)) {
        let (files, whole) = run(&steps);
        for (file, at, bit) in flips {
            let mut files = files.clone();
            let file = file.index(files.len());
            let (last, (path, bytes)) = (file + 1 == files.len(), &mut files[file]);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let (path, length) = (path.clone(), bytes.len());
            let begins = last_before(&whole, &path, at).filter(|frame| frame.segment == path).map_or(MAGIC_BYTES, |frame| frame.end);
            let in_last_frame = last && !whole.iter().any(|frame| frame.segment == path && frame.end > at && frame.end < length);
            match restore(&files) {
                Err(ChangelogError::Foreign(named) | ChangelogError::Format { path: named, .. }) => {
                    prop_assert!(at < MAGIC_BYTES);
                    prop_assert_eq!(named.file_name(), path.file_name());
                }
                Err(ChangelogError::Damaged { path: named, offset, .. }) => {
                    prop_assert_eq!(named.file_name(), path.file_name());
                    prop_assert_eq!(offset, begins as u64, "byte {} is in the frame that begins there", at);
                }
                Err(other) => prop_assert!(false, "{}", other),
                Ok((seen, _)) => {
                    prop_assert!(in_last_frame, "byte {} of {} was passed over", at, length);
                    let expected = last_before(&whole, &path, begins).unwrap();
                    prop_assert_eq!(&seen, &expected.seen, "torn off: the frame at {}", begins);
                }
            }
        }
    }
}
