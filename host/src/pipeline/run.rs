//! One pipeline from start to end: opens its parts, runs reader, worker and writer, and says how it ended.

use std::{
    future::Future,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::mpsc;

use super::{
    Meter, Stop, Stopper,
    dead_letter::{Author, Authors},
    deliver::Delivery,
    reader, retry,
    worker::{self, Refused},
    writer::{Ended, Writer},
};
use crate::{
    config::{Durability, PipelineConfig, SinkConfig},
    sink::{self, Sink},
    source::{self, SourceError},
    state::{Changelog, ChangelogError},
    transform::{Chain, ChainError, StageSpec},
};

/// Batches read and not yet in the stages. Two keep the worker busy while one is being filled.
const READ_AHEAD: usize = 2;
/// Batches that have left the stages and are not yet being written.
const WRITE_BEHIND: usize = 1;
/// Longest wait between attempts to open a source or sink.
const MAX_OPEN_DELAY: Duration = Duration::from_secs(10);

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
    /// A part of the host broke; this is a bug.
    #[error("the {0} broke; please report this")]
    Broken(&'static str),
}

/// Runs a pipeline until it ends by itself, fails, or is stopped.
pub async fn run(spec: PipelineSpec, meter: Meter, stopper: Stopper) -> Result<Ending, PipelineError> {
    let mut stop = stopper.listen();
    let name: Arc<str> = spec.config.name.as_str().into();
    let mut chain = tokio::task::block_in_place(|| Chain::new(spec.stages.clone()))?;
    let authors = authors(&chain);
    let dead_letters_config = &spec.config.dead_letters;
    let opened = async {
        let sink = open_sink(&spec, &name, &spec.config.sink, false, &meter).await?;
        let dead_letters = open_sink(&spec, &name, dead_letters_config, true, &meter).await?;
        Ok::<_, sink::OpenError>((sink, dead_letters))
    };
    let Some(opened) = unless_stopped(&mut stop, opened).await else { return Ok(Ending::Drained) };
    let (sink, dead_letters) = opened?;
    chain.project_for_sink(&sink.fields())?;
    let folder = spec.data_dir.join("state").join(name.as_ref());
    let restored = tokio::task::block_in_place(|| {
        chain.with_states(|states| Changelog::open(&folder, spec.durability, states, now_ms()))
    });
    let (changelog, restored) = restored?;
    if restored.seq > 0 {
        tracing::info!(
            pipeline = %name, records = restored.totals.consumed, state_entries = restored.entries,
            "resuming after the last commit"
        );
    }
    meter.restore(restored.totals.clone());
    let context = source::OpenContext {
        pipeline: name.clone(),
        display: spec.config.source.display.clone(),
        data_dir: spec.data_dir.clone(),
        resume: restored.positions.clone(),
    };
    let source = until_opened(
        &name,
        &meter,
        |error: &SourceError| error.retryable,
        || source::open(&spec.config.source, &context),
    );
    let Some(source) = unless_stopped(&mut stop, source).await else { return Ok(Ending::Drained) };
    let source = source?;
    let committer = source.committer();

    let (batches_in, batches_out) = mpsc::channel(READ_AHEAD);
    let (processed_in, processed_out) = mpsc::channel(WRITE_BEHIND);
    let (refused_in, refused_out) = mpsc::unbounded_channel::<Refused>();
    let delivery = |url: &SinkConfig, sink| Delivery {
        pipeline: name.clone(),
        url: url.display.clone(),
        sink,
        retry_max_delay: url.retry_max_delay,
        meter: meter.clone(),
    };
    let writer = Writer {
        pipeline: name.clone(),
        sink: delivery(&spec.config.sink, sink),
        dead_letters: delivery(dead_letters_config, dead_letters),
        authors,
        changelog,
        committer,
        totals: restored.totals,
        meter: meter.clone(),
        refused: refused_in,
        stop: stopper.listen(),
    };
    let writer = tokio::spawn(ending(stopper.clone(), writer.run(processed_out)));
    let worker = spawn_worker(&name, move || worker::work(chain, batches_out, processed_in, refused_out))?;
    let worker = tokio::spawn(ending(stopper.clone(), worker));
    let alarm = spec.config.run_for.map(|time| tokio::spawn(drain_after(time, stopper.clone())));
    let read =
        reader::read(source, &spec.config.source, spec.config.until_caught_up, batches_in, &meter, stopper.listen());
    let read = read.await;
    if let Some(alarm) = alarm {
        alarm.abort();
    }
    let worked = worker.await.map_err(|_| PipelineError::Broken("worker"))?;
    let written = writer.await.map_err(|_| PipelineError::Broken("writer"))?;
    // The first cause wins: a writer that failed makes the others end early, and the other way round.
    match written {
        Err(Ended::Changelog(error)) => return Err(error.into()),
        Err(Ended::Abandoned(abandoned)) => {
            return Ok(Ending::Abandoned { records: abandoned.rows, why: abandoned.why });
        }
        Ok(()) => {}
    }
    worked.map_err(|_| PipelineError::Broken("worker"))??;
    read?;
    Ok(Ending::Drained)
}

fn authors(chain: &Chain) -> Authors {
    let author = |stage: &crate::transform::Stage| Author {
        stage: stage.name().to_string(),
        plugin: stage.descriptor().name.clone(),
        version: stage.descriptor().version.clone(),
        sha256: stage.plugin().sha256().to_owned(),
    };
    chain.stages().iter().map(author).collect()
}

async fn open_sink(
    spec: &PipelineSpec,
    name: &Arc<str>,
    config: &SinkConfig,
    dead_letters: bool,
    meter: &Meter,
) -> Result<Box<dyn Sink>, sink::OpenError> {
    let context = sink::OpenContext {
        pipeline: name.clone(),
        display: config.display.clone(),
        data_dir: spec.data_dir.clone(),
        dead_letters,
        timeout: config.timeout,
    };
    until_opened(name, meter, |error: &sink::OpenError| error.retryable, || sink::open(config, &context)).await
}

/// Opens a part, waiting out what may pass by itself and saying so.
async fn until_opened<T, E: std::error::Error, F: Future<Output = Result<T, E>>>(
    pipeline: &str,
    meter: &Meter,
    is_retryable: impl Fn(&E) -> bool,
    open: impl Fn() -> F,
) -> Result<T, E> {
    let mut backoff = retry::Backoff::new(MAX_OPEN_DELAY);
    loop {
        match open().await {
            Err(error) if is_retryable(&error) => {
                let delay = backoff.next();
                let delay_ms = delay.as_millis() as u64;
                tracing::warn!(pipeline, attempt = backoff.failures(), delay_ms, "{error}; trying again");
                meter.waiting(Some(error.to_string()));
                tokio::time::sleep(delay).await;
            }
            result => {
                meter.waiting(None);
                return result;
            }
        }
    }
}

async fn unless_stopped<T>(stop: &mut Stop, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = future => Some(result),
        () = stop.draining() => None,
    }
}

/// When a part ends, for whatever reason, the reader is to end as well.
async fn ending<T>(stopper: Stopper, part: impl Future<Output = T>) -> T {
    let result = part.await;
    stopper.drain();
    result
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

pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
