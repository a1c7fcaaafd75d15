//! All pipelines of a process: independent of each other, added, replaced and removed while the others run.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::{
    Control, Ending, Meter, PipelineError, PipelineSpec, Reloads, Replay, ReplayError, ReplayLedger, Runs,
    ScheduledRuns, Setback, Stopper, Versions, chain_of, now_ms, replay, run, schedule::Scheduled, stop_channel,
};
use crate::{
    config::{PipelineConfig, Schedule},
    state::Totals,
};

/// How long stopping may take before what is under way is left for the next start. Together with what comes after it,
/// this keeps an orderly stop below five seconds.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(4);

/// Pipelines at work. Cheap to clone; all clones are the same pipelines.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    pipelines: Mutex<Vec<Running>>,
    /// Changes under way, in which a pipeline may be missing for a moment.
    changes: AtomicUsize,
    started: Instant,
    reloads: Mutex<Reloads>,
}

/// One pipeline at work.
struct Running {
    name: String,
    config: Arc<PipelineConfig>,
    state_dir: PathBuf,
    data_dir: PathBuf,
    meter: Meter,
    stopper: Stopper,
    control: Control,
    versions: Versions,
    runs: Runs,
    task: JoinHandle<Result<Ending, PipelineError>>,
}

/// What others see of a running pipeline, and have in hand.
#[derive(Clone)]
pub struct Handle {
    /// Its name.
    pub name: String,
    /// Its figures.
    pub meter: Meter,
    /// To swap its stages.
    pub control: Control,
    /// Which versions ran since which offset.
    pub versions: Versions,
    /// Its configuration.
    pub config: Arc<PipelineConfig>,
    /// Where its state lies, if in files.
    pub state_dir: PathBuf,
    /// When it runs, where it does so at set times, and what has become of its runs.
    pub schedule: Option<(Schedule, ScheduledRuns)>,
}

/// How one pipeline ended.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Its configuration.
    pub config: PipelineConfig,
    /// Its figures at the end.
    pub figures: super::Figures,
    /// What has become of its runs, where it runs at set times.
    pub runs: Option<ScheduledRuns>,
    /// How it ended.
    pub result: Result<Ending, PipelineError>,
    /// From the start of the host to the first record that was durable in its sink.
    pub first_written: Option<Duration>,
}

impl Host {
    /// Starts pipelines. One that fails says so at once, and the others go on.
    pub fn start(specs: Vec<PipelineSpec>) -> Self {
        let pipelines = Mutex::new(specs.into_iter().map(Running::start).collect());
        let (changes, reloads) = Default::default();
        Self(Arc::new(Shared { pipelines, changes, started: Instant::now(), reloads }))
    }

    /// The pipelines, in the order in which they were started.
    pub fn handles(&self) -> Vec<Handle> {
        self.pipelines().iter().map(Running::handle).collect()
    }

    /// How often configuration and plugins were read again.
    pub fn reloads(&self) -> Reloads {
        self.0.reloads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Configuration and plugins were read again; `refused` says why all of it was refused, if it was.
    pub fn reloaded(&self, refused: Option<&str>) {
        let mut reloads = self.0.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        reloads.done += 1;
        if let Some(why) = refused {
            reloads.refused += 1;
            reloads.last_refused = Some(Setback::now(why));
        }
    }

    /// Starts one more.
    pub fn add(&self, spec: PipelineSpec) {
        self.pipelines().push(Running::start(spec));
    }

    /// Ends one: what it has read is finished, or left for its next start after [`DRAIN_DEADLINE`].
    pub async fn remove(&self, name: &str) -> Option<Result<Ending, PipelineError>> {
        let _change = Change::begin(&self.0);
        let running = {
            let mut pipelines = self.pipelines();
            let at = pipelines.iter().position(|running| running.name == name)?;
            pipelines.remove(at)
        };
        running.stopper.drain();
        let late = running.stopper.clone();
        let alarm = tokio::spawn(async move {
            tokio::time::sleep(DRAIN_DEADLINE).await;
            late.abandon();
        });
        let result = running.task.await.unwrap_or(Err(PipelineError::Broken("pipeline")));
        alarm.abort();
        Some(result)
    }

    /// Ends one and starts it anew with another configuration.
    pub async fn replace(&self, spec: PipelineSpec) {
        let _change = Change::begin(&self.0);
        // How the old one ended was said when it did.
        self.remove(&spec.config.name).await;
        self.add(spec);
    }

    /// Puts dead letters of a pipeline through its stages and into its sink, beside what it reads. Dropping the future ends
    /// that after the batches that are under way.
    pub async fn replay(&self, pipeline: &str, replay: &Replay) -> Result<ReplayLedger, ReplayError> {
        let found = self.pipelines().iter().find(|running| running.name == pipeline).map(|running| {
            (running.control.clone(), running.config.clone(), running.data_dir.clone(), running.task.abort_handle())
        });
        let Some((control, config, data_dir, task)) = found else {
            return Err(ReplayError::NoPipeline(pipeline.to_owned()));
        };
        // It may be opening its parts.
        while control.worker().is_none() || control.standing().durable().is_none() {
            if task.is_finished() {
                return Err(ReplayError::Ended(pipeline.to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        replay::replay(&control, &config, &data_dir, replay).await
    }

    /// Asks all pipelines to finish what they have read, and to leave it after [`DRAIN_DEADLINE`].
    pub fn stop(&self) {
        for running in self.pipelines().iter() {
            running.stopper.drain();
        }
        let host = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(DRAIN_DEADLINE).await;
            for running in host.pipelines().iter() {
                running.stopper.abandon();
            }
        });
    }

    /// Whether all pipelines have ended, and none is about to be started.
    pub fn has_ended(&self) -> bool {
        self.0.changes.load(Ordering::Acquire) == 0 && self.pipelines().iter().all(|running| running.task.is_finished())
    }

    /// Waits for all pipelines to end.
    pub async fn wait(self) -> Vec<Report> {
        let pipelines = std::mem::take(&mut *self.pipelines());
        let mut reports = Vec::new();
        for running in pipelines {
            let result = running.task.await.unwrap_or(Err(PipelineError::Broken("pipeline")));
            let figures = running.meter.figures();
            let first_written = figures.first_written.map(|at| at.duration_since(self.0.started));
            let runs = running.config.schedule.is_some().then(|| running.runs.now());
            let config = Arc::unwrap_or_clone(running.config);
            reports.push(Report { name: running.name, config, figures, runs, result, first_written });
        }
        reports
    }

    fn pipelines(&self) -> MutexGuard<'_, Vec<Running>> {
        self.0.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn start(spec: PipelineSpec) -> Self {
        let (stopper, _) = stop_channel();
        let meter = Meter::new(Totals::default());
        let (name, config) = (spec.config.name.clone(), Arc::new(spec.config.clone()));
        let state_dir = spec.data_dir.join("state").join(&name);
        let data_dir = spec.data_dir.clone();
        let control = Control::new(spec.stages.clone(), spec.config.workers);
        let versions = Versions::new(&name, &spec.data_dir);
        let pipeline = name.clone();
        let runs = Runs::default();
        let running = running(spec, meter.clone(), stopper.clone(), control.clone(), versions.clone(), runs.clone());
        let task = tokio::spawn(async move {
            let result = running.await;
            match &result {
                Err(error) => tracing::error!(pipeline, "pipeline failed: {}", chain_of(error)),
                Ok(Ending::Drained) => tracing::debug!(pipeline, "pipeline ended"),
                Ok(Ending::Abandoned { records, why }) => tracing::warn!(
                    pipeline,
                    records,
                    "stopped without waiting any longer ({why}); these records are read again at the next start"
                ),
            }
            result
        });
        Self { name, config, state_dir, data_dir, meter, stopper, control, versions, runs, task }
    }

    fn handle(&self) -> Handle {
        Handle {
            name: self.name.clone(),
            meter: self.meter.clone(),
            control: self.control.clone(),
            versions: self.versions.clone(),
            config: self.config.clone(),
            state_dir: self.state_dir.clone(),
            schedule: self.config.schedule.clone().map(|schedule| (schedule, self.runs.now())),
        }
    }
}

/// Runs it at once, or at its times.
async fn running(
    spec: PipelineSpec,
    meter: Meter,
    stopper: Stopper,
    control: Control,
    versions: Versions,
    runs: Runs,
) -> Result<Ending, PipelineError> {
    let Some(schedule) = &spec.config.schedule else { return run(spec, meter, stopper, control, versions).await };
    let scheduled = Scheduled { pipeline: &spec.config.name, schedule, runs: &runs, meter: &meter, clock: &now_ms };
    let once = |stopper| run(spec.clone(), meter.clone(), stopper, control.clone(), versions.clone());
    scheduled.until_stopped(stopper.listen(), once).await
}

/// Keeps the process from ending while a pipeline is being replaced.
struct Change<'a>(&'a Shared);

impl<'a> Change<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.changes.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.changes.fetch_sub(1, Ordering::AcqRel);
    }
}
