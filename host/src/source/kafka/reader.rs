//! The thread that reads: it serves the consumer's events, fills batches from the fetch queue and hands them over.
//!
//! In come fetched records and rebalances, out go full batches, faults, and commits of what is durable. While nobody
//! takes batches it goes on serving events, so the consumer stays in its group; librdkafka stops fetching when its
//! own queue is full. It never waits for the pipeline in any other way.

use std::{
    collections::BTreeMap,
    ptr::NonNull,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    context::{Change, ReaderContext},
    custody::Pending,
    handover::{Fault, Handover, Ready},
    queue::{FetchQueue, Fetched, Message, append},
};
use crate::{
    config::Start,
    kafka::{Asker, is_refusal},
    record::Batch,
    source::{BatchLimits, Custodian},
};

/// Longest time for which events are left unserved while there is nothing to do.
const TURN: Duration = Duration::from_millis(100);
/// Messages taken off the queue at once.
const CHUNK: usize = 256;
/// Longest wait for a record before asking whether everything has been read.
const QUIET: Duration = Duration::from_millis(50);
/// Time between two commits to the group; they are hints, and cost the broker a write each.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// How long a question about the end of the topic may take.
const ASK_END: Duration = Duration::from_secs(1);

/// What the thread is told when it starts.
pub(super) struct Task {
    pub(super) url: String,
    pub(super) topic: Arc<str>,
    pub(super) group: String,
    pub(super) start: Start,
    pub(super) asker: Asker,
    pub(super) handover: Arc<Handover>,
    pub(super) custodian: Option<Custodian>,
}

/// Runs until the hand-over says stop; then commits, leaves the group and returns.
pub(super) fn run(consumer: BaseConsumer<ReaderContext>, task: Task) {
    if let Some(queue) = FetchQueue::new(&consumer, &task.topic) {
        let batch = Batch::new(task.topic.clone());
        let mut reader = Reader {
            consumer: &consumer,
            queue,
            fetched: Fetched::new(),
            next: BTreeMap::new(),
            generation: 0,
            batch,
            since: None,
            ready: None,
            committed: Instant::now(),
            pending: None,
            task,
        };
        while !reader.task.handover.stopped() {
            reader.turn();
        }
        reader.commit_last();
    }
    consumer.context().close();
    // Dropping the consumer waits until it has left its group.
}

pub(super) struct Reader<'c> {
    pub(super) consumer: &'c BaseConsumer<ReaderContext>,
    pub(super) queue: FetchQueue<'c, ReaderContext>,
    pub(super) fetched: Fetched<'c>,
    /// Next offset to put into a batch, of every partition that is ours.
    pub(super) next: BTreeMap<i32, i64>,
    pub(super) generation: u64,
    /// The batch that is being filled, and since when.
    pub(super) batch: Batch,
    since: Option<Instant>,
    /// A batch for which there was no room.
    ready: Option<Ready>,
    committed: Instant,
    /// What the change under way waits for.
    pub(super) pending: Option<Pending>,
    pub(super) task: Task,
}

impl Reader<'_> {
    fn turn(&mut self) {
        self.serve();
        self.settle();
        if self.committed.elapsed() >= COMMIT_EVERY {
            self.commit_now();
            self.task.asker.serve();
            for partition in self.next.keys() {
                self.queue.forward(*partition);
            }
        }
        if self.task.handover.failed() {
            std::thread::park_timeout(TURN);
            return;
        }
        if let Some(ready) = self.ready.take() {
            self.ready = self.task.handover.offer(ready, TURN);
        } else if let Some((limits, asked)) = self.task.handover.asked(TURN) {
            self.read(&limits, asked);
        }
    }

    /// Serves what is waiting in the consumer's own queue: rebalances, errors, answers to commits.
    fn serve(&mut self) {
        let mut patience = if self.awaits_partitions() { QUIET } else { Duration::ZERO };
        while let Some(event) = self.consumer.poll(std::mem::take(&mut patience)) {
            match event {
                // Fetched before its partition was forwarded.
                Ok(message) => {
                    let next = self.next.get_mut(&message.partition()).filter(|next| message.offset() >= **next);
                    if let (Some(next), Some(pointer)) = (next, NonNull::new(message.ptr())) {
                        *next = message.offset() + 1;
                        // SAFETY: `message` is alive.
                        unsafe { append(pointer, &mut self.batch) };
                        self.since.get_or_insert_with(Instant::now);
                    }
                }
                // Others were reported by the context, and librdkafka goes on by itself.
                Err(KafkaError::MessageConsumptionFatal(code)) => {
                    self.fail(format!("the consumer cannot go on: {code}"))
                }
                Err(error) => {
                    if let Some(code) = error.rdkafka_error_code().filter(|code| is_refusal(*code)) {
                        self.refused(code);
                    }
                }
            }
        }
    }

    /// Whether only the group's events can bring anything: without a partition there is no record to wait for.
    fn awaits_partitions(&self) -> bool {
        self.next.is_empty() && self.pending.is_none() && !self.task.handover.failed()
    }

    /// Carries out the rebalances that the context wrote down, in their order.
    fn settle(&mut self) {
        while let Some((change, superseded)) = self.consumer.context().first_change() {
            let done = match change {
                Change::Revoke { partitions, lost } => self.give_up(&partitions, lost),
                Change::Assign(partitions) => self.restored(&partitions) && self.take_over(&partitions, superseded),
            };
            if !done {
                return;
            }
            self.pending = None;
            self.consumer.context().done();
        }
    }

    /// Moves what is there into the batch, and hands the batch over when it is full or has waited long enough.
    fn read(&mut self, limits: &BatchLimits, asked: u64) {
        if self.fetched.is_empty() && self.queue.fetch(&mut self.fetched, CHUNK, Duration::ZERO) == 0 {
            let wait = match self.since {
                Some(since) => limits.linger.saturating_sub(since.elapsed()),
                // `serve` has waited.
                None if self.awaits_partitions() => Duration::ZERO,
                None => (limits.idle / 2).clamp(Duration::from_millis(1), QUIET),
            };
            // The wait is in whole milliseconds; rounding down would spin through the last one.
            let wait = if wait.is_zero() { wait } else { wait + Duration::from_micros(999) };
            if self.queue.fetch(&mut self.fetched, 1, wait) == 0 {
                if self.batch.is_empty() {
                    self.quiet(asked);
                } else {
                    self.finish(limits);
                }
                return;
            }
        }
        while let Some(message) = self.fetched.peek() {
            match message {
                Message::Record { partition, offset, bytes } => {
                    let full = self.batch.len() >= limits.records || self.batch.bytes() + bytes > limits.bytes;
                    if full && !self.batch.is_empty() {
                        self.finish(limits);
                        return;
                    }
                    // Not ours any more, or before where we begin.
                    let Some(next) = self.next.get_mut(&partition).filter(|next| offset >= **next) else {
                        self.fetched.take(None);
                        continue;
                    };
                    *next = offset + 1;
                    self.fetched.take(Some(&mut self.batch));
                }
                Message::Error { partition, code } => {
                    self.fetched.take(None);
                    self.stopped(partition, code);
                }
            }
        }
        if !self.batch.is_empty() {
            let since = *self.since.get_or_insert_with(Instant::now);
            if self.batch.len() >= limits.records || since.elapsed() >= limits.linger {
                self.finish(limits);
            }
        }
    }

    /// Hands the batch over, or keeps it as `ready` where there is no room.
    fn finish(&mut self, limits: &BatchLimits) {
        let mut fresh = Batch::new(self.task.topic.clone());
        // The next batch will be about as large.
        fresh.reserve(self.batch.len(), limits.room(self.batch.values.bytes()));
        fresh.keys.reserve(0, self.batch.keys.bytes());
        let batch = std::mem::replace(&mut self.batch, fresh);
        self.since = None;
        let ready = Ready { batch, generation: self.generation, reached: self.next.clone() };
        for partition in self.next.keys() {
            if let Some(end) = self.queue.cached_end(*partition) {
                self.task.handover.set_end(*partition, end);
            }
        }
        self.ready = self.task.handover.offer(ready, Duration::ZERO);
    }

    /// Nothing has arrived for a while: finds out whether everything has been read.
    fn quiet(&mut self, asked: u64) {
        // Before the first assignment nothing is known.
        if self.generation == 0 || self.task.handover.knows(asked) || !self.task.handover.is_empty() {
            return;
        }
        self.skip_marks();
        let partitions: Vec<i32> = self.next.keys().copied().collect();
        match self.task.asker.offsets(&self.task.topic, &partitions, Offset::End, ASK_END) {
            Ok(ends) => {
                for (partition, end) in &ends {
                    self.task.handover.set_end(*partition, *end);
                }
                if self.next.iter().all(|(partition, next)| ends.get(partition).is_some_and(|end| end <= next)) {
                    self.task.handover.caught_up(asked, &self.next);
                }
            }
            Err(code) => self.consumer.context().log.error(code, &format!("cannot ask where the topic ends: {code}")),
        }
    }

    /// A partition stopped with an error.
    fn stopped(&mut self, partition: i32, code: RDKafkaErrorCode) {
        use RDKafkaErrorCode as Code;
        match code {
            code if is_refusal(code) => return self.refused(code),
            // Our place is gone, by retention or because the topic was created again.
            Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => {}
            code => {
                let topic = &self.task.topic;
                self.consumer.context().log.error(code, &format!("topic `{topic}` partition {partition}: {code}"));
            }
        }
        // librdkafka counts an error as a record that was read, and would leave the next one out after a pause.
        self.take_over_again(partition);
    }

    /// Nothing is waiting anywhere: what librdkafka has gone past since the last record are marks of transactions.
    fn skip_marks(&mut self) {
        let Ok(positions) = self.consumer.position() else { return };
        for element in positions.elements() {
            if let (Some(next), Offset::Offset(position)) = (self.next.get_mut(&element.partition()), element.offset())
            {
                *next = position.max(*next);
            }
        }
    }

    fn refused(&self, code: RDKafkaErrorCode) {
        let hint = "check the credentials in `options` and what the broker allows them";
        let message = format!("topic `{}`, group `{}`: {code}", self.task.topic, self.task.group);
        self.task.handover.fail(Fault { message, hint: Some(hint.to_owned()), retryable: false });
    }

    pub(super) fn fail(&self, message: String) {
        self.task.handover.fail(Fault { message, hint: None, retryable: false });
    }

    fn commit_now(&mut self) {
        if self.task.handover.take_uncommitted() {
            let partitions: Vec<i32> = self.next.keys().copied().collect();
            self.commit(&partitions, CommitMode::Async);
        }
        self.committed = Instant::now();
    }

    /// Commits for the last time, and waits for it: leaving the group would cut it off.
    fn commit_last(&mut self) {
        let partitions: Vec<i32> = self.next.keys().copied().collect();
        self.commit(&partitions, CommitMode::Sync);
    }

    /// Commits what is durable of these partitions. Only of ours: a position of a partition that someone else reads
    /// would set the group back.
    pub(super) fn commit(&self, partitions: &[i32], mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            if let Some(next) = self.task.handover.durable(*partition) {
                // Fails only for negative offsets, which are no positions.
                list.add_partition_offset(&self.task.topic, *partition, Offset::Offset(next)).ok();
            }
        }
        if list.count() == 0 {
            return;
        }
        if let Err(error) = self.consumer.commit(&list, mode)
            && let Some(code) = error.rdkafka_error_code()
        {
            self.consumer.context().log.error(code, &format!("the group's offsets were not committed: {code}"));
        }
    }
}
