//! What is measured, one file each.

mod file_discard;
mod http_kafka;
mod kafka_cassandra;
mod kafka_discard;
mod latency;
mod memory;
mod start;
mod workers;

use std::cell::Cell;

use anyhow::Result;

use crate::{Plan, Wanted, engines::Engines, host::Host, report::Report};

type Measuring = fn(&Plan, &Host, &Engines) -> Result<Report>;

/// All of them, in the order in which they are measured.
pub const ALL: [(Wanted, Measuring); 8] = [
    (Wanted::KafkaDiscard, kafka_discard::measure),
    (Wanted::KafkaCassandra, kafka_cassandra::measure),
    (Wanted::FileDiscard, file_discard::measure),
    (Wanted::HttpKafka, http_kafka::measure),
    (Wanted::Latency, latency::measure),
    (Wanted::Start, start::measure),
    (Wanted::Workers, workers::measure),
    (Wanted::Memory, memory::measure),
];

/// A name for each run, so that each begins at the beginning.
#[derive(Default)]
struct Names(Cell<u32>);

impl Names {
    fn next(&self) -> String {
        self.0.set(self.0.get() + 1);
        format!("millstream-bench-{}-{}", std::process::id(), self.0.get())
    }
}
