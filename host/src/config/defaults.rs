//! Every default and every limit of `pipeline.toml`, with its reason.
//!
//! The parser takes what a file leaves out from here, and the table of settings (`settings.rs`) prints the same
//! constants, so the documentation cannot say something else than the host does.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// Beside the file and hidden, so that a fresh clone needs no folder and `ls` stays readable.
pub const DATA_DIR: &str = ".millstream";
/// Large enough that the cost of a call into the sandbox vanishes per record. What trickles in is not held up by it: a batch
/// waits for `linger` at most.
pub const BATCH_RECORDS: usize = 4096;
/// A batch and what is made of it stay in a core's cache from stage to stage. With 512 KiB a record costs about 4 % less, but up to
/// sixteen are under way, and the peak of memory then hangs on how many just are.
pub const BATCH_BYTES: usize = 320 << 10;
/// Where each batch is waited for, fewer and larger ones: twice the throughput into Kafka, and a sixth less CPU into SQLite.
pub const WAITED_BATCH_BYTES: usize = 2 << 20;
/// The cost of an fsync vanishes per record, and nobody waits for a commit: rows are in the sink before it.
pub const COMMIT_INTERVAL: Duration = Duration::from_millis(5);
pub const MAX_COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Short enough not to be noticed, long enough to fill batches from a busy topic.
pub const LINGER: Duration = Duration::from_millis(5);
/// With `trigger_records` alone, the number is then a rate per second.
pub const TRIGGER_INTERVAL: Duration = Duration::from_secs(1);
/// Within what public APIs allow (the Random User API: about 100 requests a minute).
pub const HTTP_EVERY: Duration = Duration::from_secs(10);
/// An answer that takes longer than the usual interval is not coming.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
/// 5,000 users of the Random User API are about 6 MiB.
pub const HTTP_MAX_BYTES: usize = 16 << 20;
/// An API that is down is asked once a minute at least, so recovery is noticed.
pub const HTTP_RETRY_MAX_DELAY: Duration = Duration::from_secs(60);
/// The same data in every run, so that runs can be compared.
pub const GENERATOR_SEED: u64 = 1;
/// As much as the guests of this repository need at batches of 2 MiB, many times over.
pub const STAGE_MEMORY: usize = 64 << 20;
/// A batch of the larger default size may grow eightfold.
pub const STAGE_OUTPUT: usize = 16 << 20;
/// Guests of the SDK need a few hundred, interpreters of other languages some thousands; an entry is a pointer of the host's.
pub const STAGE_TABLE: usize = 100_000;
/// Enough to follow what a plugin does, too little to fill a disk.
pub const STAGE_LOG: u32 = 50;
/// Enough for deep JSON and for interpreters; the thread that runs a plugin has four times as much.
pub const STACK: usize = 512 << 10;
/// A call takes milliseconds; after a second the plugin is stuck.
pub const STAGE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longer than a broker or a node takes to fail over.
pub const SINK_TIMEOUT: Duration = Duration::from_secs(30);
/// Short, because everything waits for the sink, and one host that asks every two seconds burdens no database.
pub const SINK_RETRY_MAX_DELAY: Duration = Duration::from_secs(2);
/// Longer than a batch takes in a busy database, shorter than a group waits for its members.
pub const DRAIN: Duration = Duration::from_secs(10);
/// About a batch under load, so that the verdict comes with the first one.
pub const PROBATION_RECORDS: u64 = 1000;
/// Where records are few, a verdict on those that came is better than none.
pub const PROBATION_TIME: Duration = Duration::from_secs(10);
/// A stricter rule is meant to reject some, even most; a version that rejects nearly all is more likely broken.
pub const PROBATION_REJECTS: u64 = 80;
/// A version that breaks on a record which the one before handles is broken.
pub const PROBATION_TRAPS: u64 = 0;
/// Survives the loss of a replica without waiting for other datacenters.
pub const CONSISTENCY: &str = "local_quorum";
/// Keeps a small cluster busy without filling its queues.
pub const CONCURRENCY: usize = 128;
/// One node is enough to try it; a cluster names its own number.
pub const REPLICATION_FACTOR: u32 = 1;
/// Lets a topic be read by as many workers as a laptop has cores to spare.
pub const PARTITIONS: u32 = 4;
/// Appended to a topic's name to get the topic of its dead letters.
pub const DEAD_LETTERS_SUFFIX: &str = ".dead_letters";
/// Before the pipeline's name in the name of its consumer group.
pub const GROUP_PREFIX: &str = "millstream-";
/// Where a demo, `top` and `tap` look for a host.
pub const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8642);
/// Kafka's port, where an address names none.
pub const KAFKA_PORT: u16 = 9092;
/// Cassandra's port, where an address names none.
pub const CASSANDRA_PORT: u16 = 9042;

/// Nobody guesses that many, however fast they ask.
pub const MIN_TOKEN_CHARS: usize = 16;
/// Names of pipelines and stages become file names and labels of metrics.
pub const MAX_NAME_CHARS: usize = 64;
/// Row numbers in a batch are 32-bit, and a batch is kept in memory.
pub const MAX_BATCH_RECORDS: u64 = 1 << 20;
/// Offsets in a batch are 32-bit; half of that leaves room for what the stages add.
pub const MAX_BYTES: u64 = 1 << 30;
/// Less than this holds no record of ordinary size.
pub const MIN_BYTES: u64 = 1 << 10;
/// A guest's stack and its first batch need this much.
pub const MIN_STAGE_MEMORY: u64 = 1 << 20;
/// Address space for it is set aside for every instance.
pub const MAX_STAGE_MEMORY: u64 = 1 << 30;
/// Address space for it is set aside for every instance.
pub const MAX_STAGE_TABLE: u64 = 1_000_000;
/// More than anybody reads.
pub const MAX_STAGE_LOG: u64 = 100_000;
/// What a guest of the SDK needs to start.
pub const MIN_STACK: u64 = 64 << 10;
/// Half of what a thread has by default: the host's own calls need some.
pub const MAX_STACK: u64 = 1 << 20;
/// Counts that have no limit of their own; a larger one is a slip of the keyboard.
pub const MAX_COUNT: u64 = 1 << 40;
/// Each partition is a writer and a position in every frame.
pub const MAX_PARTITIONS: u64 = 1024;
/// A connection of Cassandra's protocol numbers its requests with 15 bits.
pub const MAX_CONCURRENCY: u64 = 1 << 15;
/// More copies than any cluster keeps.
pub const MAX_REPLICATION_FACTOR: u64 = 64;
/// Below a millisecond timers are not dependable.
pub const MIN_TIME: Duration = Duration::from_millis(1);
/// A batch that waits longer is a trigger's task.
pub const MAX_LINGER: Duration = Duration::from_secs(60);
/// A guest that computes for longer holds up its worker, and with it a swap.
pub const MAX_STAGE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// A wait that nobody sits out.
pub const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// A century as `humantime` counts it: any run.
pub const MAX_RUN: Duration = Duration::from_secs(100 * 31_557_600);
/// Cassandra counts lifetimes in whole seconds.
pub const MIN_TTL: Duration = Duration::from_secs(1);
/// Cassandra's longest lifetime, 20 years.
pub const MAX_TTL: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60);

/// More lanes would wait for the one thread that has the state.
const USUAL_WORKERS: usize = 8;
pub const MAX_WORKERS: u64 = 32;

/// One per core.
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(USUAL_WORKERS))
}

/// The last moment of the year 9999.
pub const MAX_TIMESTAMP_MS: u64 = 253_402_300_799_999;
