//! Topic → validate → dedup → nothing or a table, until the topic's end.
//!
//! Two consumers to choose from: `stream` is the asynchronous one that the documentation of rdkafka begins with, `base` the
//! polled one, which costs less. Settings are librdkafka's own defaults.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer, StreamConsumer},
    error::KafkaError,
    message::BorrowedMessage,
};

use super::{
    Parse,
    cassandra::Table,
    counts::Counts,
    letters::Topic,
    store::{Fate, Store},
};

const TIMEOUT: Duration = Duration::from_secs(30);
const TURN: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub struct Options {
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    group: String,
    /// Topic for rejected records
    #[arg(long)]
    dead_letters: String,
    /// What JSON is read into
    #[arg(long, default_value = "borrowed")]
    parser: Parse,
    #[arg(long, default_value = "base")]
    consumer: Client,
    /// Writes to this table, as `host:port/keyspace.table`; without it, to nowhere
    #[arg(long)]
    table: Option<String>,
    /// Rows in a request
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Goes on at the topic's end
    #[arg(long)]
    follow: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Client {
    Base,
    Stream,
}

pub fn run(options: &Options) -> Result<Counts> {
    match (options.consumer, &options.table) {
        (Client::Base, None) => base(options),
        _ => tokio::runtime::Runtime::new()?.block_on(stream(options)),
    }
}

fn base(options: &Options) -> Result<Counts> {
    let consumer: BaseConsumer = config(options).create().context("cannot start a consumer")?;
    consumer.subscribe(&[&options.topic])?;
    let mut work = Work::new(options)?;
    let mut end = End::of(&consumer, &options.topic)?;
    let mut silent_since = Instant::now();
    while !end.reached() || options.follow {
        match consumer.poll(TURN) {
            // Also after other events than records, such as those of the group.
            None if silent_since.elapsed() < TIMEOUT => continue,
            None => bail!("no record for {TIMEOUT:?}"),
            Some(Ok(message)) => drop(work.handle(&message)?),
            Some(Err(error)) => end.note(error)?,
        }
        silent_since = Instant::now();
    }
    work.finish()
}

async fn stream(options: &Options) -> Result<Counts> {
    let consumer: StreamConsumer = config(options).create().context("cannot start a consumer")?;
    consumer.subscribe(&[&options.topic])?;
    let mut work = Work::new(options)?;
    let mut table = match &options.table {
        Some(url) => Some(Table::open(url, options.batch).await?),
        None => None,
    };
    let mut end = End::of(&consumer, &options.topic)?;
    while !end.reached() || options.follow {
        let message = match &mut table {
            Some(table) => tokio::select! {
                message = consumer.recv() => message,
                lingered = table.linger() => {
                    lingered?;
                    table.send().await?;
                    continue;
                }
            },
            None => consumer.recv().await,
        };
        match message {
            Ok(message) => {
                if let Fate::Written(id, Some(cells)) = work.handle(&message)?
                    && let Some(table) = &mut table
                {
                    table.write(id, *cells).await?;
                }
            }
            Err(error) => end.note(error)?,
        }
    }
    if let Some(table) = table {
        table.finish().await?;
    }
    work.finish()
}

fn config(options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", &options.group)
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        // Else it fetches nothing for a second once its queue is full.
        .set("fetch.queue.backoff.ms", "2")
        // As much ahead as Millstream: less is less memory and less CPU time.
        .set("queued.max.messages.kbytes", "4096")
        .set("queued.min.messages", "5000")
        .set("fetch.max.bytes", "1048576")
        .set("log_level", "0");
    config
}

struct Work {
    store: Store,
    letters: Topic,
}

impl Work {
    fn new(options: &Options) -> Result<Self> {
        let store = Store::new(options.parser, options.table.is_some())?;
        Ok(Self { store, letters: Topic::new(&options.brokers, &options.dead_letters)? })
    }

    fn handle(&mut self, message: &BorrowedMessage<'_>) -> Result<Fate> {
        let value = message.payload().unwrap_or_default();
        let fate = self.store.handle(value);
        if let Fate::Rejected(reason) = fate {
            self.letters.reject(value, reason, "validate", (message.partition(), message.offset()))?;
        }
        Ok(fate)
    }

    fn finish(self) -> Result<Counts> {
        self.letters.flush()?;
        Ok(self.store.counts)
    }
}

/// Which partitions have been read to their end.
struct End {
    partitions: usize,
    ended: BTreeSet<i32>,
}

impl End {
    fn of<C: rdkafka::consumer::ConsumerContext, S: Consumer<C>>(consumer: &S, topic: &str) -> Result<Self> {
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        if partitions == 0 {
            bail!("there is no topic {topic}");
        }
        Ok(Self { partitions, ended: BTreeSet::new() })
    }

    fn note(&mut self, error: KafkaError) -> Result<()> {
        match error {
            KafkaError::PartitionEOF(partition) => self.ended.insert(partition),
            error => return Err(error).context("cannot read"),
        };
        Ok(())
    }

    fn reached(&self) -> bool {
        self.ended.len() >= self.partitions
    }
}
