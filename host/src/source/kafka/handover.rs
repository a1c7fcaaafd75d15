//! Between the thread that reads and the task that calls `fill`: a few full batches, and what both must know.
//!
//! The thread puts batches in and waits when there are enough; `fill` takes them out and never waits here. A batch
//! says in which generation of the assignment it was read, so that records of a partition that was taken away
//! meanwhile are left out, even if the partition has come back since.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    record::{Batch, Positions},
    source::BatchLimits,
};

/// Batches that wait to be taken. Two, so that one can be filled while the other is being taken; more would only cost
/// memory, as librdkafka fetches ahead by itself.
const WAITING: usize = 2;

/// A batch on its way to `fill`.
pub(super) struct Ready {
    pub(super) batch: Batch,
    /// The generation of the assignment in which all of it was read.
    pub(super) generation: u64,
    /// Next offset of every assigned partition once this batch is taken.
    pub(super) reached: BTreeMap<i32, i64>,
}

/// Something that `fill` reports as an error.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// A fault that is not stays for good.
    pub(super) retryable: bool,
}

/// What `fill` finds.
pub(super) enum Taken {
    Batch(Box<Ready>),
    Fault(Fault),
    Lost,
    CaughtUp,
    Nothing,
}

/// The partitions that are ours.
#[derive(Default)]
struct Assignment {
    generation: u64,
    /// The generation since which each is.
    since: BTreeMap<i32, u64>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Ready>,
    limits: Option<BatchLimits>,
    /// The number of the current call of `fill`.
    asked: u64,
    /// The last call that may be told that it has caught up.
    caught_up: u64,
    /// Whether nothing has come since the call `quiet_since`.
    quiet: bool,
    quiet_since: u64,
    fault: Option<Fault>,
    assignment: Assignment,
    /// From where on nothing of each assigned partition has been handed over, at least, and its end as last seen.
    extents: BTreeMap<i32, (i64, i64)>,
    durable: Positions,
    uncommitted: bool,
    lost: bool,
    stop: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Handover {
    state: Mutex<State>,
    /// Told when the thread has reason to look: room, limits, the end.
    wake: Condvar,
    /// Told when `fill` has reason to look.
    pub(super) news: Notify,
}

impl Handover {
    pub(super) fn new(resume: Positions) -> Self {
        Self { state: Mutex::new(State { durable: resume, ..State::default() }), ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- the side of `fill`

    /// Begins a call of `fill`. The answer, for [`Handover::take`], names the first call since which nothing has come: a
    /// broker that takes longer than one call to say where the topic ends still answers the next one.
    pub(super) fn ask(&self, limits: &BatchLimits) -> u64 {
        let mut state = self.state();
        if state.limits.as_ref() != Some(limits) {
            state.limits = Some(limits.clone());
            self.wake.notify_one();
        }
        state.asked += 1;
        if !state.quiet {
            (state.quiet, state.quiet_since) = (true, state.asked);
        }
        state.quiet_since
    }

    pub(super) fn take(&self, asked: u64) -> Taken {
        let mut state = self.state();
        if state.lost {
            return Taken::Lost;
        }
        if let Some(ready) = state.waiting.pop_front() {
            self.wake.notify_one();
            state.quiet = false;
            return Taken::Batch(Box::new(ready));
        }
        if let Some(fault) = state.fault.clone() {
            if fault.retryable {
                state.fault = None;
            }
            return Taken::Fault(fault);
        }
        if state.caught_up < asked {
            return Taken::Nothing;
        }
        state.quiet = false; // once said, it has to be found out again
        Taken::CaughtUp
    }

    /// Leaves out records of partitions that were taken away after the batch was read. `None` where nothing has to be
    /// left out, which is nearly always.
    pub(super) fn still_ours(&self, ready: &Ready) -> Option<BTreeMap<i32, bool>> {
        let state = self.state();
        if state.assignment.generation == ready.generation {
            return None;
        }
        let ours =
            |partition: &i32| state.assignment.since.get(partition).is_some_and(|since| *since <= ready.generation);
        let mut kept: BTreeMap<i32, bool> = BTreeMap::new();
        for partition in &ready.batch.partitions {
            kept.entry(*partition).or_insert_with_key(ours);
        }
        kept.values().any(|kept| !kept).then_some(kept)
    }

    /// How many partitions are ours.
    pub(super) fn assigned(&self) -> usize {
        self.state().assignment.since.len()
    }

    /// Records between `reached` and the ends of the partitions that are ours.
    pub(super) fn lags(&self, reached: &BTreeMap<i32, i64>) -> Vec<(i32, u64)> {
        let state = self.state();
        let behind = |(partition, (begin, end)): (&i32, &(i64, i64))| {
            let next = reached.get(partition).copied().unwrap_or(*begin).max(*begin);
            (*partition, u64::try_from(end - next).unwrap_or(0))
        };
        state.extents.iter().map(behind).collect()
    }

    /// Says what is durable; the thread commits it.
    pub(super) fn commit(&self, positions: &Positions) {
        let mut state = self.state();
        state.durable.merge(positions);
        state.uncommitted = true;
    }

    /// Tells the thread to end.
    pub(super) fn stop(&self) {
        self.state().stop = true;
        self.wake.notify_one();
    }

    // ---- the side of the thread

    pub(super) fn stopped(&self) -> bool {
        self.state().stop
    }

    /// The limits of the last call of `fill`, and its number; waits a little where none was made yet.
    pub(super) fn asked(&self, patience: Duration) -> Option<(BatchLimits, u64)> {
        let mut state = self.state();
        if state.limits.is_none() && !state.stop {
            state = self.wake.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        let asked = state.asked;
        state.limits.clone().map(|limits| (limits, asked))
    }

    /// Hands a batch over, or gives it back where enough are waiting after `patience`.
    pub(super) fn offer(&self, ready: Ready, patience: Duration) -> Option<Ready> {
        let mut state = self.state();
        if state.waiting.len() >= WAITING && !state.stop {
            state = self.wake.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.waiting.len() >= WAITING {
            return Some(ready);
        }
        state.waiting.push_back(ready);
        drop(state);
        self.news.notify_one();
        None
    }

    /// Whether all batches have been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    /// Says that when that call of `fill` was made, everything had been handed over; `next` is then how far that is.
    pub(super) fn caught_up(&self, asked: u64, next: &BTreeMap<i32, i64>) {
        let mut state = self.state();
        state.caught_up = asked;
        for (partition, next) in next {
            if let Some((begin, _)) = state.extents.get_mut(partition) {
                *begin = *next;
            }
        }
        drop(state);
        self.news.notify_one();
    }

    /// Whether that call of `fill` knows that it has caught up.
    pub(super) fn knows(&self, asked: u64) -> bool {
        self.state().caught_up >= asked
    }

    pub(super) fn fail(&self, fault: Fault) {
        let mut state = self.state();
        // What stays must not be hidden by what passes.
        if state.fault.as_ref().is_none_or(|known| known.retryable) {
            state.fault = Some(fault);
        }
        drop(state);
        self.news.notify_one();
    }

    /// Whether a fault was reported that stays.
    pub(super) fn failed(&self) -> bool {
        self.state().fault.as_ref().is_some_and(|fault| !fault.retryable)
    }

    /// Adds partitions with where reading begins and where they end, and returns the new generation.
    pub(super) fn assign(&self, extents: &BTreeMap<i32, (i64, i64)>) -> u64 {
        let mut state = self.state();
        state.assignment.generation += 1;
        let generation = state.assignment.generation;
        for partition in extents.keys() {
            // One that was ours already stays ours without a break, and so does what was read of it.
            state.assignment.since.entry(*partition).or_insert(generation);
        }
        state.extents.extend(extents);
        // What lies before the beginning is handled: by another member, or because it is not wanted. Committing an
        // older position would set the group back, and committing none would move a `start` of latest on.
        state.durable.merge(&extents.iter().map(|(partition, (begin, _))| (*partition, *begin)).collect());
        state.uncommitted = true;
        generation
    }

    /// Takes partitions away, and returns the new generation.
    pub(super) fn revoke(&self, partitions: &[i32]) -> u64 {
        let mut state = self.state();
        state.assignment.generation += 1;
        for partition in partitions {
            state.assignment.since.remove(partition);
            state.extents.remove(partition);
        }
        state.assignment.generation
    }

    /// Says that partitions are gone before what was handed over of them is durable; there is no way back from it.
    pub(super) fn lose(&self) {
        self.state().lost = true;
        self.news.notify_one();
    }

    /// Says where partitions stand by their restored state.
    pub(super) fn resume(&self, partitions: &[i32], restored: &Positions) {
        let mut state = self.state();
        for partition in partitions {
            state.durable.reset(*partition, restored.next_offset(*partition));
        }
    }

    pub(super) fn set_end(&self, partition: i32, end: i64) {
        if let Some((_, known)) = self.state().extents.get_mut(&partition) {
            *known = end;
        }
    }

    /// The next offset of a partition by what is durable.
    pub(super) fn durable(&self, partition: i32) -> Option<i64> {
        self.state().durable.next_offset(partition)
    }

    /// Whether something became durable since the last call.
    pub(super) fn take_uncommitted(&self) -> bool {
        std::mem::take(&mut self.state().uncommitted)
    }
}
