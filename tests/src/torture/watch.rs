//! How far a trial has come, seen from outside: the group's offsets, the dead letters, and a line about it for people.
//!
//! The group's offsets are exact and half a second late. The dead letters are at once and give the number of records but
//! for the chance that spread them. Both are silent while Kafka is away.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::Result;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::{
    engines::Engines,
    flow::{PARTITIONS, Truth},
};

const ASK_TIMEOUT: Duration = Duration::from_secs(2);
const ON_A_TERMINAL: Duration = Duration::from_millis(500);
/// A log grows with every line, so there are fewer of them.
const IN_A_LOG: Duration = Duration::from_secs(15);

pub struct Watch {
    consumer: BaseConsumer,
    topic: String,
    letters: String,
    begun: Instant,
    said: Option<Instant>,
}

impl Watch {
    pub fn new(engines: &Engines, topic: String, letters: String) -> Result<Self> {
        // It only asks about the group, and never joins it.
        let consumer = engines.client().set("group.id", &topic).create()?;
        Ok(Self { consumer, topic, letters, begun: Instant::now(), said: None })
    }

    /// Records that the group has committed; none while Kafka does not answer.
    pub fn committed(&self) -> Option<u64> {
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition(&self.topic, partition);
        }
        let committed = self.consumer.committed_offsets(list, ASK_TIMEOUT).ok()?;
        let offset = |offset: Offset| if let Offset::Offset(offset) = offset { offset.max(0) as u64 } else { 0 };
        Some(committed.elements().iter().map(|element| offset(element.offset())).sum())
    }

    /// About how many records are done, by the dead letters that are there; none while Kafka does not answer.
    pub fn done(&self, truth: &Truth) -> Option<u64> {
        let mut letters = 0;
        for partition in 0..PARTITIONS {
            letters += self.consumer.fetch_watermarks(&self.letters, partition, ASK_TIMEOUT).ok()?.1.max(0) as u64;
        }
        Some(letters * truth.records / (truth.invalid.len() as u64).max(1))
    }

    /// Says how far it is, now and then.
    pub fn say(&mut self, what: &str, records: impl FnOnce(&Self) -> Option<u64>) {
        let terminal = std::io::stdout().is_terminal();
        let every = if terminal { ON_A_TERMINAL } else { IN_A_LOG };
        if self.said.is_some_and(|said| said.elapsed() < every) {
            return;
        }
        self.said = Some(Instant::now());
        let seconds = self.begun.elapsed().as_secs_f64();
        let progress = match records(self) {
            Some(records) => format!("about {records} records, {:.0}/s", records as f64 / seconds.max(0.1)),
            None => "Kafka does not answer".to_owned(),
        };
        let line = format!("  {what}, {progress}, {seconds:.0} s");
        if terminal {
            print!("\r\x1b[2K{line}");
            // A line that cannot be drawn is drawn the next time.
            let _ = std::io::stdout().flush();
        } else {
            println!("{line}");
        }
    }

    /// Ends the line.
    pub fn done_saying(&self) {
        if std::io::stdout().is_terminal() {
            print!("\r\x1b[2K");
        }
    }
}
