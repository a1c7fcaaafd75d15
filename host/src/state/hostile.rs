//! What must hold of the frame decoder for any bytes at all: checks that the tests here and the fuzz target share.
//!
//! A checksum keeps accidents away from the decoder, not malice or a bug in the writer. Whatever it is given, it ends, never
//! panics, never hands out more than it was given, and reads back what was written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use super::{
    Cause, FrameReader, FrameWriter, Malformed, Seconds, StageState, Totals,
    frame::{FRAME_HEAD, Restore},
    read_payload,
};
use crate::record::{Positions, Replay};

/// One call of the decoder.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Frame(u64, i64),
    Position(i32, i64),
    Counts(u64, u64, u64),
    Intent(i32, i64, i64),
    Handled(String, i32, i64, i64),
    Cause(bool, Cause, u64),
    Store(u16, String, String),
    Version(String, u32, bool),
    Write(u16, Vec<u8>, Option<Vec<u8>>, Seconds),
}

#[derive(Debug, Default)]
struct Collected(Vec<Event>);

impl FrameReader for Collected {
    fn frame(&mut self, seq: u64, time_ms: i64) {
        self.0.push(Event::Frame(seq, time_ms));
    }

    fn position(&mut self, partition: i32, next: i64) {
        self.0.push(Event::Position(partition, next));
    }

    fn counts(&mut self, consumed: u64, split: u64, written: u64) {
        self.0.push(Event::Counts(consumed, split, written));
    }

    fn intent(&mut self, partition: i32, until: i64, written_ms: i64) {
        self.0.push(Event::Intent(partition, until, written_ms));
    }

    fn handled(&mut self, topic: &str, partition: i32, from: i64, to: i64) {
        self.0.push(Event::Handled(topic.to_owned(), partition, from, to));
    }

    fn cause(&mut self, dead: bool, cause: Cause, total: u64) {
        self.0.push(Event::Cause(dead, cause, total));
    }

    fn version(&mut self, stage: &str, version: u32, anew: bool) {
        self.0.push(Event::Version(stage.to_owned(), version, anew));
    }

    fn store(&mut self, id: u16, stage: &str, store: &str) {
        self.0.push(Event::Store(id, stage.to_owned(), store.to_owned()));
    }

    fn write(&mut self, id: u16, key: &[u8], value: Option<&[u8]>, at: Seconds) -> Result<(), Malformed> {
        self.0.push(Event::Write(id, key.to_vec(), value.map(<[u8]>::to_vec), at));
        Ok(())
    }
}

fn read(payload: &[u8]) -> (Vec<Event>, Result<(), Malformed>) {
    let mut collected = Collected::default();
    let result = read_payload(payload, &mut collected);
    (collected.0, result)
}

/// The bytes of an event by the format's description, independent of the writer.
fn bytes(event: &Event) -> Vec<u8> {
    let text = |text: &[u8]| [&(text.len() as u32).to_le_bytes()[..], text].concat();
    let numbers = |tag: u8, numbers: &[u64]| {
        [vec![tag], numbers.iter().flat_map(|number| number.to_le_bytes()).collect()].concat()
    };
    let of_partition = |tag: u8, partition: &i32, numbers: &[i64]| {
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        [vec![tag], partition.to_le_bytes().to_vec(), numbers].concat()
    };
    match event {
        Event::Frame(seq, time_ms) => [seq.to_le_bytes(), time_ms.to_le_bytes()].concat(),
        Event::Position(partition, next) => of_partition(b'P', partition, &[*next]),
        Event::Intent(partition, until, written_ms) => of_partition(b'I', partition, &[*until, *written_ms]),
        Event::Handled(topic, partition, from, to) => {
            let offsets = [from.to_le_bytes(), to.to_le_bytes()].concat();
            [vec![b'H'], text(topic.as_bytes()), partition.to_le_bytes().to_vec(), offsets].concat()
        }
        Event::Counts(consumed, split, written) => numbers(b'C', &[*consumed, *split, *written]),
        Event::Cause(dead, cause, total) => {
            let tag = if *dead { b'!' } else { b'-' };
            let names = [text(cause.stage.as_bytes()), text(cause.reason.as_bytes())].concat();
            [vec![tag], names, total.to_le_bytes().to_vec()].concat()
        }
        Event::Store(id, stage, store) => {
            [vec![b'D'], id.to_le_bytes().to_vec(), text(stage.as_bytes()), text(store.as_bytes())].concat()
        }
        Event::Version(stage, version, anew) => {
            [vec![b'S', u8::from(*anew)], version.to_le_bytes().to_vec(), text(stage.as_bytes())].concat()
        }
        Event::Write(id, key, value, at) => {
            let head = [id.to_le_bytes().to_vec(), at.to_le_bytes().to_vec()].concat();
            match value {
                Some(value) => [vec![b'V'], head, text(key), text(value)].concat(),
                None if key.len() == 16 => [vec![b'K'], head, key.clone()].concat(),
                None => [vec![b'k'], head, text(key)].concat(),
            }
        }
    }
}

/// Reads any bytes as a payload and checks what comes out.
pub fn payload_is_read_consistently(payload: &[u8]) {
    let (events, result) = read(payload);
    let again: Vec<u8> = events.iter().flat_map(bytes).collect();
    assert!(again.len() <= payload.len(), "more was handed out than was given");
    if result.is_ok() {
        assert!(matches!(events.first(), Some(Event::Frame(..))), "a frame begins with its number");
        assert_eq!(read(&again), (events.clone(), Ok(())), "what was read is written and read again");
    }
    // A payload that ends early is never read as anything else, only as less.
    let cut = payload.len() - payload.len().min(1 + usize::from(payload.first().copied().unwrap_or_default()));
    let (fewer, _) = read(&payload[..cut]);
    assert!(events.starts_with(&fewer), "a shorter payload was read differently");
    restore(payload);
}

/// Restores state from the payload: whatever is in it, that ends and does not panic.
fn restore(payload: &[u8]) {
    let mut state = StageState::new();
    state.declare("seen", 1_000);
    let mut stages = BTreeMap::from([("s".to_owned(), state)]);
    let ids = BTreeMap::from([(0, Some(("s".to_owned(), 0))), (1, None)]);
    let mut restore = Restore { ids, ..Restore::new(&mut stages) };
    let result = read_payload(payload, &mut restore);
    let entries = restore.restored.entries;
    let older: usize = stages.get_mut("s").unwrap().take_older().values().map(StageState::len).sum();
    assert!((stages["s"].len() + older) as u64 <= entries || result.is_err(), "more entries than writes");
}

/// Takes numbers and texts from arbitrary bytes; zeros once they are used up.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes([(); 8].map(|()| self.byte()))
    }

    fn text(&mut self, most: u8) -> Vec<u8> {
        (0..self.byte() % (most + 1)).map(|_| self.byte()).collect()
    }

    fn name(&mut self) -> String {
        String::from_utf8_lossy(&self.text(6)).into_owned()
    }
}

/// Makes a commit out of arbitrary bytes, writes it, reads it, and compares.
pub fn what_is_written_is_read(bytes: &[u8]) {
    let (frame, expected) = frame_of(bytes);
    let (head, payload) = frame.split_at(FRAME_HEAD);
    assert_eq!(head[..4], (payload.len() as u32).to_le_bytes());
    assert_eq!(head[4..], crc32fast::hash(payload).to_le_bytes());
    assert_eq!(read(payload), (expected, Ok(())));
    payload_is_read_consistently(payload);
}

/// A frame made out of arbitrary bytes, and what must be read from it.
fn frame_of(bytes: &[u8]) -> (Vec<u8>, Vec<Event>) {
    let mut from = Source(bytes);
    let (seq, time_ms) = (from.number(), from.number() as i64);
    let mut expected = vec![Event::Frame(seq, time_ms)];
    let mut out = Vec::new();
    let mut frame = FrameWriter::new(&mut out, seq, time_ms);

    let positions: Positions = (0..from.byte() % 4).map(|_| (from.number() as i32, from.number() as i64)).collect();
    frame.positions(&positions);
    expected.extend(positions.iter().map(|(partition, next)| Event::Position(partition, next)));

    let mut replay = Replay::default();
    (0..from.byte() % 3).for_each(|_| replay.add(from.byte().into(), from.number() as i64, from.number() as i64));
    frame.intents(&replay);
    expected.extend(replay.iter().map(|(partition, until, at)| Event::Intent(partition, until, at)));

    let mut totals = Totals { consumed: from.number(), split: from.number(), ..Totals::default() };
    for _ in 0..from.byte() % 4 {
        let cause = Cause { stage: from.name(), reason: from.name() };
        let causes = if from.byte() % 2 == 0 { &mut totals.dropped } else { &mut totals.dead_lettered };
        causes.insert(cause, from.number());
    }
    frame.totals(&totals, &Totals::default());
    expected.push(Event::Counts(totals.consumed, totals.split, totals.written));
    for (dead, causes) in [(false, &totals.dropped), (true, &totals.dead_lettered)] {
        expected.extend(causes.iter().map(|(cause, total)| Event::Cause(dead, cause.clone(), *total)));
    }

    let (id, stage, store) = (from.byte().into(), from.name(), from.name());
    frame.store(id, &stage, &store);
    expected.push(Event::Store(id, stage, store));

    let (stage, version, anew) = (from.name(), from.number() as u32, from.byte() % 2 == 0);
    frame.version(&stage, version, anew);
    expected.push(Event::Version(stage, version, anew));

    let mut state = StageState::new();
    state.declare("seen", 0);
    for row in 0..u32::from(from.byte() % 8) {
        let key = if from.byte() % 2 == 0 { vec![from.byte(); 16] } else { from.text(20) };
        let at = from.number() as u32;
        let value = (from.byte() % 2 == 0).then(|| from.text(9));
        let wrote = match &value {
            None => state.put_if_absent(0, row, &key, at).unwrap(),
            Some(value) => state.put(0, row, &key, value, at).is_ok(),
        };
        // Every third record was refused.
        if wrote && row % 3 != 2 {
            expected.push(Event::Write(id, key, value, at));
        }
    }
    frame.writes(&[id], &state.take_writes(), |row| row % 3 != 2);
    frame.finish();
    (out, expected)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    /// How many payloads are tried; some seconds.
    const PAYLOADS: usize = 200_000;
    /// Numbers that a length or a count is most likely to be mistaken over.
    const ODD: [u32; 6] = [0, 1, 16, i32::MAX as u32, u32::MAX - 7, u32::MAX];

    fn random_bytes(random: &mut ChaCha8Rng) -> Vec<u8> {
        (0..random.random_range(0..400)).map(|_| random.random()).collect()
    }

    fn damage(payload: &mut Vec<u8>, random: &mut ChaCha8Rng) {
        if payload.is_empty() {
            return;
        }
        let at = random.random_range(0..payload.len());
        match random.random_range(0..5u8) {
            0 => payload[at] ^= 1 << random.random_range(0..8u8),
            1 => payload.truncate(at),
            2 => payload.insert(at, random.random()),
            3 => drop(payload.drain(at..payload.len().min(at + random.random_range(1..20usize)))),
            _ => {
                let odd = ODD[random.random_range(0..ODD.len())].to_le_bytes();
                payload.iter_mut().skip(at).zip(odd).for_each(|(to, from)| *to = from);
            }
        }
    }

    #[test]
    fn hostile_payloads_are_read_consistently() {
        let mut random = ChaCha8Rng::seed_from_u64(20_260_731);
        let mut read_whole = 0;
        for _ in 0..PAYLOADS {
            let mut payload = frame_of(&random_bytes(&mut random)).0.split_off(FRAME_HEAD);
            for _ in 0..random.random_range(0..4u8) {
                damage(&mut payload, &mut random);
            }
            payload_is_read_consistently(&payload);
            read_whole += usize::from(read(&payload).1.is_ok());
        }
        assert!((PAYLOADS / 10..PAYLOADS).contains(&read_whole), "{read_whole}: the damage is of either kind");
    }

    #[test]
    fn what_any_commit_writes_is_read_back() {
        let mut random = ChaCha8Rng::seed_from_u64(20_260_801);
        for _ in 0..PAYLOADS / 10 {
            what_is_written_is_read(&random_bytes(&mut random));
        }
    }
}
