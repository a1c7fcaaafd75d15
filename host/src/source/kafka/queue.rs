//! The queue that fetched records come through, and the way of a record from librdkafka's memory into a batch: the
//! one place of the Kafka source with `unsafe`.
//!
//! A queue of our own, to which every assigned partition is forwarded, is emptied many records at a time. So a record
//! costs no event, no allocation and one copy; and records can be left waiting (backpressure) while the consumer's
//! own queue, with its rebalances, is still served. This never decides what to read.

use std::{
    ffi::{CStr, CString, c_void},
    ptr::{self, NonNull},
    slice,
    time::Duration,
};

use rdkafka::{
    bindings as c,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::RDKafkaErrorCode,
    types::{RDKafkaMessage, RDKafkaQueue, RDKafkaRespErr},
};

use crate::record::{Batch, HeaderWriter};

/// A queue of fetched records; it cannot outlive its consumer.
pub(super) struct FetchQueue<'c, C: ConsumerContext + 'static> {
    queue: NonNull<RDKafkaQueue>,
    consumer: &'c BaseConsumer<C>,
    topic: CString,
}

impl<'c, C: ConsumerContext + 'static> FetchQueue<'c, C> {
    /// `None` where the topic's name holds a NUL.
    pub(super) fn new(consumer: &'c BaseConsumer<C>, topic: &str) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client is alive for 'c; the queue is ours to destroy.
        let queue = NonNull::new(unsafe { c::rd_kafka_queue_new(consumer.client().native_ptr()) })?;
        Some(Self { queue, consumer, topic })
    }

    /// Sends what is fetched of a partition here instead of into the consumer's queue. It may be said again at any
    /// time, and must be: librdkafka forgets it whenever the partition is stopped.
    pub(super) fn forward(&self, partition: i32) {
        // SAFETY: the client is alive and the name ends in NUL. The partition's queue handle is ours to destroy; the
        // forwarding itself holds a reference of its own to our queue.
        unsafe {
            let from =
                c::rd_kafka_queue_get_partition(self.consumer.client().native_ptr(), self.topic.as_ptr(), partition);
            if let Some(from) = NonNull::new(from) {
                c::rd_kafka_queue_forward(from.as_ptr(), self.queue.as_ptr());
                c::rd_kafka_queue_destroy(from.as_ptr());
            }
        }
    }

    /// Waits until `most` messages are there or `timeout` is over, and appends what there is to `fetched`.
    pub(super) fn fetch(&self, fetched: &mut Fetched<'c>, most: usize, timeout: Duration) -> usize {
        fetched.compact();
        fetched.messages.reserve(most);
        let free = fetched.messages.spare_capacity_mut();
        let room = most.min(free.len());
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: `free` has room for that many pointers; librdkafka writes as many as it returns, each of a message
        // that is ours to destroy. `NonNull` has the layout of a pointer, and librdkafka returns no null message.
        unsafe {
            let got = c::rd_kafka_consume_batch_queue(self.queue.as_ptr(), timeout_ms, free.as_mut_ptr().cast(), room);
            let got = usize::try_from(got).unwrap_or(0);
            fetched.messages.set_len(fetched.messages.len() + got);
            got
        }
    }

    /// The end of a partition as the last fetch saw it, without asking the broker; `None` before the first fetch.
    pub(super) fn cached_end(&self, partition: i32) -> Option<i64> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is alive, the name ends in NUL, and both numbers can be written.
        let error = unsafe {
            let client = self.consumer.client().native_ptr();
            c::rd_kafka_get_watermark_offsets(client, self.topic.as_ptr(), partition, &mut low, &mut high)
        };
        (error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
    }
}

impl<C: ConsumerContext + 'static> Drop for FetchQueue<'_, C> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, destroyed once, and the client is still alive.
        unsafe { c::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// Messages taken off the queue and not yet put into a batch, oldest first.
pub(super) struct Fetched<'c> {
    messages: Vec<NonNull<RDKafkaMessage>>,
    /// Those before this are destroyed already.
    next: usize,
    /// Messages must be gone before their consumer is.
    consumer: std::marker::PhantomData<&'c ()>,
}

/// What the next message of [`Fetched`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// A record at this place, of so many bytes.
    Record { partition: i32, offset: i64, bytes: usize },
    /// The partition cannot be read on.
    Error { partition: i32, code: RDKafkaErrorCode },
}

impl Fetched<'_> {
    pub(super) fn new() -> Self {
        Self { messages: Vec::new(), next: 0, consumer: std::marker::PhantomData }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == self.messages.len()
    }

    /// What comes next, without taking it.
    pub(super) fn peek(&self) -> Option<Message> {
        // SAFETY: messages from `next` on are alive.
        let message = unsafe { self.messages.get(self.next)?.as_ref() };
        let (partition, offset) = (message.partition, message.offset);
        Some(match message.err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
                Message::Record { partition, offset, bytes: message.len.saturating_add(message.key_len) }
            }
            code => Message::Error { partition, code: code.into() },
        })
    }

    /// Takes the next message, and copies it to the end of `batch` if there is one and it is a record.
    pub(super) fn take(&mut self, batch: Option<&mut Batch>) {
        let Some(message) = self.messages.get(self.next).copied() else { return };
        self.next += 1;
        // SAFETY: the message is alive until it is destroyed here; `next` has moved on, so this happens once.
        unsafe {
            if let Some(batch) = batch
                && message.as_ref().err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                append(message, batch);
            }
            c::rd_kafka_message_destroy(message.as_ptr());
        }
    }

    /// Drops the messages of partitions that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(i32) -> bool) {
        self.compact();
        self.messages.retain(|message| {
            // SAFETY: the message is alive, and destroyed only where it leaves the list.
            unsafe {
                let kept = keep(message.as_ref().partition);
                if !kept {
                    c::rd_kafka_message_destroy(message.as_ptr());
                }
                kept
            }
        });
    }

    /// Drops all messages.
    pub(super) fn clear(&mut self) {
        while !self.is_empty() {
            self.take(None);
        }
    }

    fn compact(&mut self) {
        self.messages.drain(..self.next.min(self.messages.len()));
        self.next = 0;
    }
}

impl Drop for Fetched<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Copies one record.
///
/// # Safety
/// The message must be alive.
pub(super) unsafe fn append(message: NonNull<RDKafkaMessage>, batch: &mut Batch) {
    // SAFETY: by contract the message and all that it points to are alive; librdkafka gives every pointer with its
    // length, and null for what is not there.
    unsafe {
        let record = message.as_ref();
        batch.values.push_opt(bytes(record.payload, record.len));
        batch.keys.push_opt(bytes(record.key, record.key_len));
        let mut writer = HeaderWriter::new(&mut batch.headers);
        let mut headers = ptr::null_mut();
        if c::rd_kafka_message_headers(message.as_ptr(), &mut headers) == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
            for index in 0.. {
                let found = c::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut len);
                if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                    break;
                }
                // Kafka says that names are UTF-8, but no broker checks it.
                writer.push(&CStr::from_ptr(name).to_string_lossy(), bytes(value, len));
            }
        }
        writer.finish();
        // -1 where there is none, as in a batch.
        batch.timestamps.push(c::rd_kafka_message_timestamp(message.as_ptr(), ptr::null_mut()));
        batch.partitions.push(record.partition);
        batch.offsets.push(record.offset);
    }
}

/// # Safety
/// `start` is null or points to `len` bytes that stay as they are for `'a`.
unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: by contract.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast(), len) })
}
