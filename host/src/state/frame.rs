//! One commit, as bytes: positions, totals and state writes, together or not at all.
//!
//! A frame on disk is `u32 length | u32 crc32 of the payload | payload`, little endian. A payload is a sequence number,
//! a time, and sections, each behind a tag byte. Stores are named once per segment (`D`) and numbered from then on; of which
//! version a stage's entries are is said (`S`) before the first of them.

use std::{cmp::Ordering, collections::BTreeMap};

use super::{Cause, Entries, NewerState, Seconds, StageState, Totals, Writes, stage::FIRST_VERSION};
use crate::record::{Handled, Positions, Replay};

/// Bytes before a frame's payload.
pub const FRAME_HEAD: usize = 8;
/// A longer payload is taken for damage; batches are bounded far below that.
pub const MAX_PAYLOAD: usize = 1 << 30;
const FIXED_KEY: usize = 16;

/// A payload that cannot be read, although its checksum may be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Where the contents of a frame go when it is read.
pub trait FrameReader {
    /// Begins a frame.
    fn frame(&mut self, seq: u64, time_ms: i64);
    /// The next offset to read of a partition.
    fn position(&mut self, partition: i32, next: i64);
    /// `consumed`, `split` and `written`.
    fn counts(&mut self, consumed: u64, split: u64, written: u64);
    /// Records of a partition before `until` may have been written at `written_ms`, and are not committed.
    fn intent(&mut self, partition: i32, until: i64, written_ms: i64);
    /// Dead letters of a topic's partition have been dealt with: those from `from` up to, and not including, `to`.
    fn handled(&mut self, topic: &str, partition: i32, from: i64, to: i64);
    /// A total of dropped (`dead: false`) or dead-lettered records.
    fn cause(&mut self, dead: bool, cause: Cause, total: u64);
    /// Names the store `id` of this segment.
    fn store(&mut self, id: u16, stage: &str, store: &str);
    /// Of which version the entries of a stage are from here on. `anew`: all that come before are void.
    fn version(&mut self, stage: &str, version: u32, anew: bool);
    /// A state write.
    fn write(&mut self, id: u16, key: &[u8], value: Option<&[u8]>, at: Seconds) -> Result<(), Malformed>;
}

/// Writes one frame to the end of a buffer.
pub struct FrameWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> FrameWriter<'a> {
    /// Begins a frame.
    pub fn new(out: &'a mut Vec<u8>, seq: u64, time_ms: i64) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; FRAME_HEAD]);
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(&time_ms.to_le_bytes());
        Self { out, start }
    }

    /// Adds positions.
    pub fn positions(&mut self, positions: &Positions) {
        for (partition, next) in positions.iter() {
            self.out.push(b'P');
            self.out.extend_from_slice(&partition.to_le_bytes());
            self.out.extend_from_slice(&next.to_le_bytes());
        }
    }

    /// Adds what is about to be written, before it is.
    pub fn intents(&mut self, replay: &Replay) {
        for (partition, until, written_ms) in replay.iter() {
            self.out.push(b'I');
            self.out.extend_from_slice(&partition.to_le_bytes());
            self.out.extend_from_slice(&until.to_le_bytes());
            self.out.extend_from_slice(&written_ms.to_le_bytes());
        }
    }

    /// Adds dead letters that have been dealt with.
    pub fn handled(&mut self, handled: &Handled) {
        for (topic, partition, from, to) in handled.iter() {
            self.out.push(b'H');
            self.text(topic.as_bytes());
            self.out.extend_from_slice(&partition.to_le_bytes());
            self.out.extend_from_slice(&from.to_le_bytes());
            self.out.extend_from_slice(&to.to_le_bytes());
        }
    }

    /// Adds those totals that differ from what earlier frames said.
    pub fn totals(&mut self, totals: &Totals, since: &Totals) {
        self.out.push(b'C');
        for count in [totals.consumed, totals.split, totals.written] {
            self.out.extend_from_slice(&count.to_le_bytes());
        }
        self.causes(b'-', &totals.dropped, &since.dropped);
        self.causes(b'!', &totals.dead_lettered, &since.dead_lettered);
    }

    fn causes(&mut self, tag: u8, causes: &BTreeMap<Cause, u64>, since: &BTreeMap<Cause, u64>) {
        for (cause, total) in causes {
            if since.get(cause) != Some(total) {
                self.out.push(tag);
                self.text(cause.stage.as_bytes());
                self.text(cause.reason.as_bytes());
                self.out.extend_from_slice(&total.to_le_bytes());
            }
        }
    }

    /// Names a store.
    pub fn store(&mut self, id: u16, stage: &str, store: &str) {
        self.out.push(b'D');
        self.out.extend_from_slice(&id.to_le_bytes());
        self.text(stage.as_bytes());
        self.text(store.as_bytes());
    }

    /// Says of which version the entries of a stage are from here on; `anew`: that all that come before are void.
    pub fn version(&mut self, stage: &str, version: u32, anew: bool) {
        self.out.push(b'S');
        self.out.push(u8::from(anew));
        self.out.extend_from_slice(&version.to_le_bytes());
        self.text(stage.as_bytes());
    }

    /// Adds entries as they are.
    pub fn entries(&mut self, id: u16, entries: &Entries) {
        for (i, at) in entries.at.iter().enumerate() {
            let value = Some(entries.values.get(i)).filter(|value| !value.is_empty());
            self.write(id, *at, entries.keys.get(i), value);
        }
    }

    /// Adds the writes that `durable` lets through, by record. `ids` numbers the stage's stores.
    pub fn writes(&mut self, ids: &[u16], writes: &Writes, durable: impl Fn(u32) -> bool) {
        for (i, write) in writes.ops.iter().enumerate() {
            if durable(write.row)
                && let Some(id) = ids.get(write.store as usize)
            {
                let value = write.value.map(|item| writes.values.get(item as usize));
                self.write(*id, write.at, writes.keys.get(i), value);
            }
        }
    }

    fn write(&mut self, id: u16, at: Seconds, key: &[u8], value: Option<&[u8]>) {
        let fixed = value.is_none() && key.len() == FIXED_KEY;
        self.out.push(if fixed {
            b'K'
        } else if value.is_none() {
            b'k'
        } else {
            b'V'
        });
        self.out.extend_from_slice(&id.to_le_bytes());
        self.out.extend_from_slice(&at.to_le_bytes());
        if fixed {
            self.out.extend_from_slice(key);
            return;
        }
        self.text(key);
        if let Some(value) = value {
            self.text(value);
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.out.extend_from_slice(text);
    }

    /// Ends the frame: fills in its length and checksum.
    pub fn finish(self) {
        let payload = self.out.get(self.start + FRAME_HEAD..).unwrap_or_default();
        let head = [(payload.len() as u32).to_le_bytes(), crc32fast::hash(payload).to_le_bytes()].concat();
        if let Some(place) = self.out.get_mut(self.start..self.start + FRAME_HEAD) {
            place.copy_from_slice(&head);
        }
    }
}

/// Reads one payload.
pub fn read_payload(payload: &[u8], reader: &mut impl FrameReader) -> Result<(), Malformed> {
    let mut input = Input(payload);
    let seq = input.u64()?;
    let time_ms = input.u64()? as i64;
    reader.frame(seq, time_ms);
    while let Some(tag) = input.tag() {
        match tag {
            b'P' => {
                let partition = input.u32()? as i32;
                reader.position(partition, input.u64()? as i64);
            }
            b'I' => {
                let partition = input.u32()? as i32;
                let until = input.u64()? as i64;
                reader.intent(partition, until, input.u64()? as i64);
            }
            b'H' => {
                let topic = input.string()?;
                let partition = input.u32()? as i32;
                let from = input.u64()? as i64;
                reader.handled(topic, partition, from, input.u64()? as i64);
            }
            b'C' => {
                let (consumed, split) = (input.u64()?, input.u64()?);
                reader.counts(consumed, split, input.u64()?);
            }
            b'-' | b'!' => {
                let cause = Cause { stage: input.string()?.to_owned(), reason: input.string()?.to_owned() };
                reader.cause(tag == b'!', cause, input.u64()?);
            }
            b'D' => {
                let id = input.u16()?;
                let stage = input.string()?;
                reader.store(id, stage, input.string()?);
            }
            b'S' => {
                let [anew] = input.array()?;
                let version = input.u32()?;
                reader.version(input.string()?, version, anew != 0);
            }
            b'K' => {
                let (id, at) = (input.u16()?, input.u32()?);
                reader.write(id, input.take(FIXED_KEY)?, None, at)?;
            }
            b'k' | b'V' => {
                let (id, at) = (input.u16()?, input.u32()?);
                let key = input.text()?;
                let value = if tag == b'V' { Some(input.text()?) } else { None };
                reader.write(id, key, value, at)?;
            }
            _ => return Err(Malformed("unknown section; it was written by a newer version")),
        }
    }
    Ok(())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn tag(&mut self) -> Option<u8> {
        let (tag, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*tag)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Malformed("a section ends early"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed("a section ends early"))
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.u32()? as usize;
        self.take(n)
    }

    fn string(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.text()?).map_err(|_| Malformed("a name is not UTF-8"))
    }
}

/// What the frames of a changelog add up to.
#[derive(Debug, Default)]
pub struct Restored {
    /// Where to resume.
    pub positions: Positions,
    /// The totals of the last frame.
    pub totals: Totals,
    /// Sequence number of the last frame; 0 where there is none.
    pub seq: u64,
    /// When the last frame was written.
    pub time_ms: i64,
    /// State writes that were made again.
    pub entries: u64,
    /// What may have been written after the last commit.
    pub replay: Replay,
    /// State that a plugin is too old for.
    pub newer: Option<NewerState>,
    /// Dead letters that have been dealt with.
    pub handled: Handled,
}

/// Applies frames to the state of stages.
pub(super) struct Restore<'a> {
    pub restored: Restored,
    pub stages: &'a mut BTreeMap<String, StageState>,
    /// Store of each id of the segment; `None` where the configuration has no such store any more.
    pub ids: BTreeMap<u16, Option<(String, u32)>>,
    /// Of which version the entries of each stage are that are read now.
    pub versions: BTreeMap<String, u32>,
}

impl<'a> Restore<'a> {
    pub fn new(stages: &'a mut BTreeMap<String, StageState>) -> Self {
        let (restored, ids, versions) = Default::default();
        Self { restored, stages, ids, versions }
    }
}

impl FrameReader for Restore<'_> {
    fn frame(&mut self, seq: u64, time_ms: i64) {
        self.restored.seq = seq;
        self.restored.time_ms = time_ms;
    }

    fn position(&mut self, partition: i32, next: i64) {
        self.restored.positions.set_next(partition, next);
        self.restored.replay.committed(&self.restored.positions);
    }

    fn intent(&mut self, partition: i32, until: i64, written_ms: i64) {
        self.restored.replay.add(partition, until, written_ms);
    }

    fn handled(&mut self, topic: &str, partition: i32, from: i64, to: i64) {
        self.restored.handled.add(topic, partition, from, to);
    }

    fn counts(&mut self, consumed: u64, split: u64, written: u64) {
        let totals = &mut self.restored.totals;
        (totals.consumed, totals.split, totals.written) = (consumed, split, written);
    }

    fn cause(&mut self, dead: bool, cause: Cause, total: u64) {
        let totals = &mut self.restored.totals;
        let causes = if dead { &mut totals.dead_lettered } else { &mut totals.dropped };
        causes.insert(cause, total);
    }

    fn version(&mut self, stage: &str, version: u32, anew: bool) {
        self.versions.insert(stage.to_owned(), version);
        if anew && let Some(state) = self.stages.get_mut(stage) {
            state.clear();
        }
    }

    fn store(&mut self, id: u16, stage: &str, store: &str) {
        let index = self.stages.get(stage).and_then(|state| state.names().iter().position(|name| name == store));
        self.ids.insert(id, index.map(|index| (stage.to_owned(), index as u32)));
    }

    fn write(&mut self, id: u16, key: &[u8], value: Option<&[u8]>, at: Seconds) -> Result<(), Malformed> {
        let Some((stage, store)) = self.ids.get(&id).ok_or(Malformed("a write names an unknown store"))? else {
            return Ok(());
        };
        let Some(state) = self.stages.get_mut(stage) else { return Ok(()) };
        self.restored.entries += 1;
        let version = self.versions.get(stage).copied().unwrap_or(FIRST_VERSION);
        let state = match version.cmp(&state.version()) {
            Ordering::Equal => state,
            Ordering::Less => state.older(version),
            Ordering::Greater => {
                let keeps = state.version();
                self.restored.newer = Some(NewerState { stage: stage.clone(), found: version, keeps });
                return Ok(());
            }
        };
        state.restore(*store, key, value, at).map_err(|_| Malformed("a store has gone"))
    }
}
