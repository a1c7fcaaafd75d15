//! The records that are read: made once from a seed, and kept for the next sitting.
//!
//! Filling a topic takes memory that would spoil what is measured later, so a process of its own does it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use millstream::random_user::{Faults, write_faulty_user};
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use serde::{Deserialize, Serialize};
use xtask::{
    dataset::{self, Verdict},
    shell,
};

use crate::engines::Engines;

/// Of all data of the harness.
pub const SEED: u64 = 20_260_101;
/// Of raw documents, as of flat records.
const FAULTY: f64 = 0.02;
const FLUSH: Duration = Duration::from_secs(120);
const QUEUE_FULL: Duration = Duration::from_millis(5);

/// A topic with flat user records.
pub struct Topic {
    pub name: String,
    pub records: u64,
    pub truth: Truth,
}

/// What a correct program makes of the records.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    pub consumed: u64,
    pub written: u64,
    pub dropped: u64,
    pub rejected: BTreeMap<String, u64>,
}

/// The topic with so many records. It is filled if it is not there.
pub fn topic(engines: &Engines, folder: &Path, records: u64) -> Result<Topic> {
    let name = format!("millstream-bench-{records}-{SEED}");
    let truth = folder.join(format!("{name}.json"));
    if engines.records(&name)? != Some(records) || !truth.exists() {
        eprintln!("  filling {name}");
        let program = std::env::current_exe().context("cannot find the harness itself")?;
        shell::run(Command::new(program).args(["--fill", &name, "--records", &records.to_string()]))?;
    }
    let text = fs::read_to_string(&truth).with_context(|| format!("cannot read {}", truth.display()))?;
    let truth: Truth = serde_json::from_str(&text).with_context(|| format!("cannot read {}", truth.display()))?;
    Ok(Topic { name, records, truth })
}

/// Makes and fills a topic, line `i` to partition `i % 4`, and writes down what must become of the records.
pub fn fill(engines: &Engines, folder: &Path, name: &str, records: u64) -> Result<()> {
    if engines.records(name)?.is_some() {
        engines.delete(name)?;
        while engines.records(name)?.is_some() {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    engines.create(name)?;
    let mut config = engines.client()?;
    config.set("linger.ms", "20").set("batch.size", "262144").set("enable.idempotence", "true");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
    let mut truth = Truth::default();
    for (line, (value, verdict)) in (0..).zip(dataset::records(records, SEED)) {
        truth.consumed += 1;
        match verdict {
            Verdict::First { .. } => truth.written += 1,
            Verdict::Duplicate { .. } => truth.dropped += 1,
            Verdict::Invalid(reason) => *truth.rejected.entry(reason.code().to_owned()).or_default() += 1,
        }
        let partition = dataset::partition(line) as i32;
        send(&producer, BaseRecord::to(name).partition(partition).payload(value.as_str()))?;
    }
    producer.flush(FLUSH).context("Kafka has not taken all records in time")?;
    if engines.records(name)? != Some(records) {
        bail!("not all records are in {name}");
    }
    let path = folder.join(format!("{name}.json"));
    fs::write(&path, serde_json::to_string(&truth)?).with_context(|| format!("cannot write {}", path.display()))
}

/// Hands a record to the producer; waits while its queue is full.
pub fn send(producer: &ThreadedProducer<DefaultProducerContext>, record: BaseRecord<'_, str, str>) -> Result<()> {
    let mut record: BaseRecord<'_, str, str> = record;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                std::thread::sleep(QUEUE_FULL);
            }
            Err((error, _)) => return Err(error).context("cannot fill the topic"),
        }
    }
}

/// The file with so many raw documents of the API, one in each line.
pub fn documents(folder: &Path, records: u64) -> Result<PathBuf> {
    let path = folder.join(format!("documents-{records}-{SEED}.ndjson"));
    if path.exists() {
        return Ok(path);
    }
    eprintln!("  making {}", path.display());
    let unfinished = path.with_extension("part");
    let mut out = BufWriter::new(File::create(&unfinished).context("cannot make the file of documents")?);
    let mut line = Vec::new();
    for n in 0..records {
        line.clear();
        document(n, &mut line);
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.flush()?;
    fs::rename(&unfinished, &path)?;
    Ok(path)
}

/// Appends raw document `n`.
pub fn document(n: u64, out: &mut Vec<u8>) {
    write_faulty_user(SEED, n, &Faults::share(FAULTY), out);
}
