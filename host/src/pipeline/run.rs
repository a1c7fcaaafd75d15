//! One pipeline from start to end: opens its parts, runs reader, worker and writer, and says how it ended.

use std::{
    future::Future,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use super::{
    Control, Meter, Phase, Stopper,
    deliver::Delivery,
    ledger::{Ledger, LedgerError},
    open::{Opening, unless_stopped},
    reader::{ReadEnd, Reader},
    standing::Durable,
    stop_channel,
    versions::Versions,
    worker::{Parts, Worker, WorkerError},
    writer::{Commits, Ended, Writer},
};
use crate::{
    config::{Durability, PipelineConfig, SinkConfig},
    sink,
    source::{Custodian, Idle, Source, SourceError},
    state::{ChangelogError, TopicError},
    transform::{Chain, ChainError, StageSpec},
};

/// Batches read and not yet in the stages: as many as a lane is given at a time. More are not faster, and are memory.
const READ_AHEAD: usize = 2;
/// Batches that have left the stages and are not yet being written.
const WRITE_BEHIND: usize = 1;

/// A pipeline that is ready to run: its configuration, and its plugins compiled.
#[derive(Clone)]
pub struct PipelineSpec {
    /// What `pipeline.toml` says of it.
    pub config: PipelineConfig,
    /// Its stages.
    pub stages: Vec<StageSpec>,
    /// Folder of the embedded log and of the state.
    pub data_dir: PathBuf,
    /// When a commit counts as durable.
    pub durability: Durability,
    /// Whether it reads its source. One that does not only replays dead letters.
    pub reads: bool,
}

/// How a pipeline ended without failing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All that was read is durable and committed.
    Drained,
    /// Stopping took too long; what was under way is read again at the next start.
    Abandoned {
        /// Records that were not known to be durable.
        records: usize,
        /// What was being waited for.
        why: String,
    },
}

/// Why a pipeline failed. What it had not committed is read again at the next start.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A stage cannot run.
    #[error(transparent)]
    Stage(#[from] ChainError),
    /// The source cannot be opened or read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The sink, or the dead-letter sink, cannot be opened.
    #[error(transparent)]
    Sink(#[from] sink::OpenError),
    /// The state cannot be restored or kept.
    #[error(transparent)]
    State(#[from] ChangelogError),
    /// The state in a topic cannot be restored or kept.
    #[error(transparent)]
    StateTopic(#[from] TopicError),
    /// It was to end once it had caught up, and its time was over before.
    #[error(
        "it has not caught up within {}{}; what it has read is committed",
        humantime::format_duration(*within), waiting.as_ref().map(|what| format!(", waiting: {what}")).unwrap_or_default()
    )]
    NotCaughtUp {
        /// Its time.
        within: Duration,
        /// What it waited for in the end.
        waiting: Option<String>,
    },
    /// A part of the host broke; this is a bug.
    #[error("the {0} broke; please report this")]
    Broken(&'static str),
}

/// Runs a pipeline until it ends by itself, fails, or is stopped.
pub async fn run(
    spec: PipelineSpec,
    meter: Meter,
    stopper: Stopper,
    control: Control,
    versions: Versions,
) -> Result<Ending, PipelineError> {
    let alarm = spec.config.run_for.map(|time| tokio::spawn(drain_after(time, stopper.clone())));
    let all_read = AtomicBool::new(false);
    let result = loop {
        meter.phase(Phase::Opening);
        match live(&spec, &meter, &stopper, &control, &versions, &all_read).await {
            Ok(Some(ending)) => break Ok(ending),
            Ok(None) => {}
            Err(error) => break Err(error),
        }
    };
    let is_over = alarm.as_ref().is_some_and(JoinHandle::is_finished);
    if let Some(alarm) = alarm {
        alarm.abort();
    }
    let result = match (result, spec.config.run_for) {
        (Ok(Ending::Drained), Some(within))
            if is_over && spec.config.until_caught_up && !all_read.load(Ordering::Acquire) =>
        {
            Err(PipelineError::NotCaughtUp { within, waiting: meter.figures().waiting().map(str::to_owned) })
        }
        (result, _) => result,
    };
    match &result {
        Ok(_) => meter.phase(Phase::Ended),
        Err(error) => meter.failed(super::chain_of(error)),
    }
    result
}

/// One life of a pipeline, from its last commit. `None`: it has to begin anew.
async fn live(
    spec: &PipelineSpec,
    meter: &Meter,
    outer: &Stopper,
    control: &Control,
    versions: &Versions,
    all_read: &AtomicBool,
) -> Result<Option<Ending>, PipelineError> {
    // A life can be given up without stopping the pipeline.
    let (stopper, mut stop) = stop_channel();
    let follow = tokio::spawn(outer.listen().pass_on(stopper.clone()));
    let result = live_until(spec, meter, &stopper, &mut stop, control, versions, all_read).await;
    control.detach();
    follow.abort();
    result
}

async fn live_until(
    spec: &PipelineSpec,
    meter: &Meter,
    stopper: &Stopper,
    stop: &mut super::Stop,
    control: &Control,
    versions: &Versions,
    all_read: &AtomicBool,
) -> Result<Option<Ending>, PipelineError> {
    let name: Arc<str> = spec.config.name.as_str().into();
    let opening = Opening { spec, name: &name, meter };
    let swaps = control.swaps();
    let mut chain = tokio::task::block_in_place(|| Chain::new(control.stages()))?;
    let dead_letters_config = &spec.config.dead_letters;
    let opened = async {
        let sink = opening.sink(&spec.config.sink, false).await?;
        let dead_letters = opening.sink(dead_letters_config, true).await?;
        Ok::<_, sink::OpenError>((sink, dead_letters))
    };
    let Some(opened) = unless_stopped(stop, opened).await else { return Ok(Some(Ending::Drained)) };
    let (sink, dead_letters) = opened?;
    let sink_fields = sink.fields();
    chain.project_for_sink(&sink_fields)?;
    let Some(restored) = unless_stopped(stop, opening.ledger(&mut chain)).await else {
        return Ok(Some(Ending::Drained));
    };
    let (ledger, resume) = restored?;
    meter.restore(ledger.totals());
    let topic = match &ledger {
        Ledger::Topic(topic, _) => Some(topic.clone()),
        Ledger::Files(..) => None,
    };
    let (requests, changes) = mpsc::unbounded_channel();
    let custodian = Custodian { requests, restores: topic.is_some(), deadline: spec.config.source.drain };
    let opened = async {
        if spec.reads { opening.source(&resume, custodian).await } else { Ok(Box::new(Idle) as Box<dyn Source>) }
    };
    let Some(source) = unless_stopped(stop, opened).await else { return Ok(Some(Ending::Drained)) };
    let mut source = source?;
    let (tasks, tasks_out) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(READ_AHEAD));
    if !control.attach(&tasks, &room, &chain, swaps) {
        // The stages were swapped while the pipeline was being opened.
        return Ok(None);
    }
    versions.began(chain.authors(), &resume, Duration::ZERO);
    meter.phase(Phase::Running);
    let standing = control.standing().clone();
    standing.begin(Durable { positions: resume.clone(), handled: ledger.handled().cloned() });

    let (made, made_out) = mpsc::channel(WRITE_BEHIND);
    let delivery = |url: &SinkConfig, sink| Delivery {
        pipeline: name.clone(),
        url: url.display.clone(),
        sink,
        retry_max_delay: url.retry_max_delay,
        meter: meter.clone(),
    };
    let commits = Commits {
        pipeline: name.clone(),
        sink: spec.config.sink.display.clone(),
        dead_letters: delivery(dead_letters_config, dead_letters),
        ledger,
        committer: source.committer(),
        meter: meter.clone(),
        standing: standing.clone(),
        tasks: tasks.clone(),
        stop: stopper.listen(),
        interval: spec.config.commit_interval,
    };
    let writer = Writer { sink: delivery(&spec.config.sink, sink), commits };
    let writer = tokio::spawn(ending(stopper.clone(), writer.run(made_out)));
    let parts = Parts {
        chain,
        tasks: tasks_out,
        made,
        topic,
        room: room.clone(),
        room_for: READ_AHEAD,
        workers: spec.config.workers,
        sink_fields,
        resume,
        versions: versions.clone(),
        meter: meter.clone(),
        stop: stopper.listen(),
        standing,
        runtime: tokio::runtime::Handle::current(),
    };
    let worker = Worker::new(parts, &tasks).map_err(worker_failed)?;
    let worker = spawn_worker(&name, move || worker.work())?;
    let worker = tokio::spawn(ending(stopper.clone(), worker));
    let reader = Reader {
        pipeline: &name,
        source: source.as_mut(),
        config: &spec.config.source,
        until_caught_up: spec.config.until_caught_up,
        tasks,
        room,
        changes,
        meter,
        stop: stopper.listen(),
    };
    let read = reader.read().await;
    all_read.store(matches!(read, Ok(ReadEnd::AllRead)), Ordering::Release);
    if matches!(read, Ok(ReadEnd::Lost)) {
        stopper.abandon();
    }
    let worked = worker.await.map_err(|_| PipelineError::Broken("worker"))?;
    let written = writer.await.map_err(|_| PipelineError::Broken("writer"))?;
    // Only now: what was committed last is still to be told to the source's own store.
    source.close().await;
    if matches!(read, Ok(ReadEnd::Lost)) {
        tracing::warn!(
            pipeline = %name,
            "partitions went before what was read of them was durable; beginning anew from the last commit"
        );
        return Ok(None);
    }
    // The first cause wins: a writer that failed makes the others end early, and the other way round.
    match written {
        Err(Ended::Ledger(LedgerError::Files(error))) => return Err(error.into()),
        Err(Ended::Ledger(LedgerError::Topic(error))) => return Err(error.into()),
        Err(Ended::Ledger(error @ LedgerError::TakenOver(_))) => {
            tracing::warn!(
                pipeline = %name,
                "{error}; beginning anew from the last commit (if this goes on, two groups of hosts share one state topic)"
            );
            return Ok(None);
        }
        Err(Ended::Abandoned(abandoned)) => {
            return Ok(Some(Ending::Abandoned { records: abandoned.rows, why: abandoned.why }));
        }
        Ok(()) => {}
    }
    match worked.map_err(|_| PipelineError::Broken("worker"))? {
        Ok(()) | Err(WorkerError::WriterGone) => {}
        Err(error) => return Err(worker_failed(error)),
    }
    read?;
    Ok(Some(Ending::Drained))
}

fn worker_failed(error: WorkerError) -> PipelineError {
    match error {
        WorkerError::Stage(error) => error.into(),
        WorkerError::State(error) => error.into(),
        WorkerError::WriterGone => PipelineError::Broken("writer"),
        WorkerError::LaneGone => PipelineError::Broken("lane"),
        WorkerError::NoLane(_) => PipelineError::Broken("lane's start"),
    }
}

/// When a part ends, for whatever reason, the reader is to end as well.
async fn ending<T>(stopper: Stopper, part: impl Future<Output = T>) -> T {
    let _drain = DrainAtEnd(stopper);
    part.await
}

/// A part that breaks ends as well, though nothing behind its end is run.
struct DrainAtEnd(Stopper);

impl Drop for DrainAtEnd {
    fn drop(&mut self) {
        self.0.drain();
    }
}

async fn drain_after(time: Duration, stopper: Stopper) {
    tokio::time::sleep(time).await;
    stopper.drain();
}

/// Runs the worker on a thread of its own: WebAssembly never holds up I/O.
fn spawn_worker<T: Send + 'static>(
    pipeline: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<tokio::sync::oneshot::Receiver<T>, PipelineError> {
    let (done, result) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name(format!("worker-{pipeline}")).spawn(move || {
        // The receiver is gone only if the whole pipeline is.
        let _ = done.send(work());
    });
    thread.map_err(|_| PipelineError::Broken("worker thread's start"))?;
    Ok(result)
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
