//! The order of durability, with sinks that fail on request: nothing is lost, and nothing is judged twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc};

use super::{
    Meter, Stopper,
    deliver::Delivery,
    ledger::Ledger,
    standing::Standing,
    stop_channel,
    versions::Versions,
    worker::{Parts, Task, Worker},
    writer::{Commits, Ended, Writer},
};
use crate::{
    config::Durability,
    plugin::{Grants, Limits, Plugin, PluginEngine, StageName, build::build},
    record::{Batch, Headers, Record},
    sink::{Failure, Sink, WriteBatch},
    source::NoCommit,
    state::{Changelog, Restored},
    transform::{Chain, StageSpec},
};

/// What a fake sink has stored, by attempt: value and headers of each row.
type Stored = Arc<Mutex<Vec<(String, BTreeMap<String, String>)>>>;

/// Fails as told; what it does not fail is stored.
struct FakeSink {
    stored: Stored,
    /// Every row fails the first time it is offered.
    fails_first: bool,
    refuses: Option<&'static str>,
    /// Refuses a value the first time it is offered.
    refuses_once: Option<&'static str>,
    /// Never answers from the n-th call on: the process "dies" while it waits.
    hangs_at: Option<usize>,
    calls: usize,
    offered: BTreeSet<(i64, String)>,
}

impl FakeSink {
    fn new(stored: &Stored) -> Self {
        let stored = stored.clone();
        Self {
            stored,
            fails_first: false,
            refuses: None,
            refuses_once: None,
            hangs_at: None,
            calls: 0,
            offered: BTreeSet::new(),
        }
    }
}

impl Sink for FakeSink {
    fn write<'a>(&'a mut self, batch: &'a Arc<WriteBatch>, rows: &'a [u32]) -> BoxFuture<'a, Vec<Failure>> {
        Box::pin(async move {
            self.calls += 1;
            if self.hangs_at.is_some_and(|at| self.calls >= at) {
                std::future::pending::<()>().await;
            }
            let mut failures = Vec::new();
            for row in rows {
                let record = batch.record(*row);
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                let failure = |retryable, code| Failure { row: *row, retryable, code, detail: "as told".to_owned() };
                let once = self.refuses_once.take_if(|refused| value == *refused).is_some();
                if once || self.refuses.is_some_and(|refused| value.starts_with(refused)) {
                    failures.push(failure(false, "bad_value"));
                } else if self.fails_first && self.offered.insert((record.offset, value.clone())) {
                    failures.push(failure(true, "unavailable"));
                } else {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let headers = record.headers.map(|(name, value)| (text(name), text(value.unwrap_or_default())));
                    self.stored.lock().unwrap().push((value, headers.collect()));
                }
            }
            failures
        })
    }
}

/// A stage that drops what it has seen.
fn chain() -> Chain {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/misbehave");
    let built = build(&folder, &mut |_| {}).unwrap();
    let plugin = Plugin::load(&PluginEngine::new().unwrap(), &built.wasm).unwrap();
    let name = StageName { pipeline: "p".into(), stage: "seen".into() };
    let limits = Limits {
        memory: 16 << 20,
        timeout: Duration::from_secs(1),
        output: 16 << 20,
        grants: Grants::named(&["state"]),
        ..Limits::default()
    };
    Chain::new(vec![StageSpec { name, plugin, config: "{}".to_owned(), limits }]).unwrap()
}

/// Values `from..to`, each twice, cut into batches of ten; offsets count on from `from * 2`.
fn batches(from: i64, to: i64) -> Vec<Arc<Batch>> {
    let values: Vec<String> = (from..to).flat_map(|n| [format!("value {n}"), format!("value {n}")]).collect();
    let offsets: Vec<i64> = (from * 2..to * 2).collect();
    let pairs: Vec<_> = values.iter().zip(offsets).collect();
    let batch = |pairs: &[(&String, i64)]| {
        let mut batch = Batch::new("t".into());
        for (value, offset) in pairs {
            let (value, headers) = (Some(value.as_bytes()), Headers::default());
            batch.push(Record { key: None, value, headers, timestamp_ms: 1, partition: 0, offset: *offset });
        }
        Arc::new(batch)
    };
    pairs.chunks(10).map(batch).collect()
}

struct Run {
    ended: Result<(), Ended>,
    restored: Restored,
    meter: Meter,
}

/// One life of a pipeline: restores, reads the batches from where it left off, and ends.
async fn live(folder: &Path, batches: Vec<Arc<Batch>>, sink: FakeSink, dead: FakeSink, stopper: &Stopper) -> Run {
    let mut chain = chain();
    chain.lend_always();
    let opened = chain.with_states(|states| Changelog::open(folder, Durability::Os, states, 0));
    let (changelog, restored) = opened.unwrap();
    let meter = Meter::new(restored.totals.clone());
    let delivery = |sink: FakeSink| Delivery {
        pipeline: "p".into(),
        url: "fake".to_owned(),
        sink: Box::new(sink),
        retry_max_delay: Duration::from_millis(1),
        meter: meter.clone(),
    };
    let (tasks, tasks_out) = mpsc::unbounded_channel();
    let commits = Commits {
        pipeline: "p".into(),
        sink: "fake".to_owned(),
        dead_letters: delivery(dead),
        ledger: Ledger::Files(Box::new(changelog), restored.totals.clone()),
        committer: Box::new(NoCommit),
        meter: meter.clone(),
        standing: Standing::default(),
        tasks: tasks.clone(),
        stop: stopper.listen(),
        interval: Duration::from_millis(2),
    };
    let writer = Writer { sink: delivery(sink), commits };
    // Enough of them that lanes have something to do, and finish in another order than they began.
    const ROOM: usize = 6;
    let room = Arc::new(Semaphore::new(ROOM));
    let (made, made_out) = mpsc::channel(1);
    let parts = Parts {
        chain,
        tasks: tasks_out,
        made,
        topic: None,
        room: room.clone(),
        room_for: ROOM,
        workers: 4,
        sink_fields: Vec::new(),
        resume: restored.positions.clone(),
        versions: Versions::new("p", folder),
        meter: meter.clone(),
        stop: stopper.listen(),
        standing: Standing::default(),
        runtime: tokio::runtime::Handle::current(),
    };
    let worker = Worker::new(parts, &tasks).unwrap();
    let worker = std::thread::spawn(move || worker.work());
    let writer = tokio::spawn(writer.run(made_out));
    let next = restored.positions.next_offset(0).unwrap_or(0);
    for batch in batches {
        if batch.positions().next_offset(0).unwrap() <= next {
            continue;
        }
        let Ok(room) = room.clone().acquire_owned().await else { break };
        tasks.send(Task::Batch(batch, Some(room))).ok();
    }
    tasks.send(Task::End).ok();
    drop(tasks);
    let worked = tokio::task::spawn_blocking(|| worker.join()).await.unwrap().unwrap();
    let ended = writer.await.unwrap();
    assert!(worked.is_ok() || ended.is_err());
    Run { ended, restored, meter }
}

fn values(stored: &Stored) -> Vec<String> {
    stored.lock().unwrap().iter().map(|(value, _)| value.clone()).collect()
}

fn expected(to: i64) -> Vec<String> {
    (0..to).map(|n| format!("value {n}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_write_that_fails_after_dedup_has_seen_it_loses_nothing_and_drops_each_duplicate_once() {
    let folder = tempfile::tempdir().unwrap();
    let (stored, dead) = (Stored::default(), Stored::default());
    let sink = FakeSink { fails_first: true, ..FakeSink::new(&stored) };
    let run = live(folder.path(), batches(0, 100), sink, FakeSink::new(&dead), &stop_channel().0).await;
    assert!(run.ended.is_ok());
    assert_eq!(values(&stored), expected(100));
    let figures = run.meter.figures();
    assert_eq!((figures.totals.consumed, figures.totals.written), (200, 100));
    assert_eq!((figures.totals.dropped_total(), figures.totals.drift()), (100, 0));
    assert_eq!(figures.retries, 20, "one for each batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_sink_refuses_is_dead_lettered_and_its_key_stays_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let (stored, dead) = (Stored::default(), Stored::default());
    let sink = FakeSink { refuses: Some("value 7"), ..FakeSink::new(&stored) };
    let run = live(folder.path(), batches(0, 10), sink, FakeSink::new(&dead), &stop_channel().0).await;
    assert_eq!(run.meter.figures().totals.drift(), 0);
    {
        let dead = dead.lock().unwrap();
        let (value, headers) = &dead[0];
        assert_eq!((dead.len(), value.as_str()), (1, "value 7"));
        let header = |name: &str| headers[&format!("millstream.{name}")].as_str();
        assert_eq!((header("pipeline"), header("stage"), header("reason")), ("p", "sink", "bad_value"));
        assert_eq!((header("detail"), header("attempt")), ("as told", "1"));
        assert_eq!((header("source.topic"), header("source.partition"), header("source.offset")), ("t", "0", "14"));
    }
    // In the next life the sink takes it.
    let mut again = Batch::new("t".into());
    let (value, headers) = (Some(b"value 7".as_slice()), Headers::default());
    again.push(Record { key: None, value, headers, timestamp_ms: 1, partition: 0, offset: 20 });
    let sink = FakeSink::new(&stored);
    live(folder.path(), vec![Arc::new(again)], sink, FakeSink::new(&dead), &stop_channel().0).await;
    assert_eq!(values(&stored).last().unwrap(), "value 7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_behind_a_refused_record_is_no_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    let (stored, dead) = (Stored::default(), Stored::default());
    // One record a batch, so that the second "value 0" is judged while the first one is being written.
    let batches = batches(0, 20).iter().flat_map(|batch| (0..batch.len()).map(|row| one(batch.record(row)))).collect();
    let sink = FakeSink { refuses_once: Some("value 0"), ..FakeSink::new(&stored) };
    let run = live(folder.path(), batches, sink, FakeSink::new(&dead), &stop_channel().0).await;
    assert!(run.ended.is_ok());
    assert_eq!(values(&stored), expected(20), "the second one is written in place of the first");
    assert_eq!(values(&dead), ["value 0"]);
    let totals = run.meter.figures().totals;
    assert_eq!(
        (totals.consumed, totals.written, totals.dropped_total(), totals.dead_lettered_total()),
        (40, 20, 19, 1)
    );
}

fn one(record: Record<'_>) -> Arc<Batch> {
    let mut batch = Batch::new("t".into());
    batch.push(record);
    Arc::new(batch)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_write_a_life_ends_in_the_next_one_repeats_a_batch_and_loses_none() {
    for hangs_at in 1..=20 {
        let folder = tempfile::tempdir().unwrap();
        let (stored, dead) = (Stored::default(), Stored::default());
        let stopper = stop_channel().0;
        let sink = FakeSink { hangs_at: Some(hangs_at), ..FakeSink::new(&stored) };
        let life = live(folder.path(), batches(0, 100), sink, FakeSink::new(&dead), &stopper);
        let killed = async {
            // The sink hangs at some point; then the life is cut short there.
            while stored.lock().unwrap().len() < (hangs_at - 1) * 5 {
                tokio::task::yield_now().await;
            }
            stopper.abandon();
        };
        let (run, ()) = tokio::join!(life, killed);
        assert!(matches!(run.ended, Err(Ended::Abandoned(_))));
        let again = FakeSink::new(&stored);
        let run = live(folder.path(), batches(0, 100), again, FakeSink::new(&dead), &stop_channel().0).await;
        assert!(run.ended.is_ok());
        assert_eq!(run.restored.totals.drift(), 0);
        let unique: BTreeSet<String> = values(&stored).into_iter().collect();
        assert_eq!(unique, expected(100).into_iter().collect::<BTreeSet<_>>());
        assert!(values(&stored).len() <= 105, "at most the batch under way is written again");
        let totals = run.meter.figures().totals;
        assert_eq!((totals.consumed, totals.written, totals.dropped_total()), (200, 100, 100));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_sink_that_fails_stops_progress_rather_than_losing() {
    let folder = tempfile::tempdir().unwrap();
    let (stored, dead) = (Stored::default(), Stored::default());
    let stopper = stop_channel().0;
    let sink = FakeSink { refuses: Some("value 0"), ..FakeSink::new(&stored) };
    let dead_sink = FakeSink { refuses: Some("value 0"), ..FakeSink::new(&dead) };
    let life = live(folder.path(), batches(0, 100), sink, dead_sink, &stopper);
    let stopped = async {
        while stored.lock().unwrap().len() < 4 {
            tokio::task::yield_now().await;
        }
        stopper.abandon();
    };
    let (run, ()) = tokio::join!(life, stopped);
    assert!(matches!(run.ended, Err(Ended::Abandoned(_))));
    assert_eq!(values(&stored).len(), 4, "nothing after the first batch");
    let run = live(folder.path(), batches(0, 1), FakeSink::new(&stored), FakeSink::new(&dead), &stop_channel().0).await;
    assert!(run.restored.positions.is_empty(), "it was not committed");
}
