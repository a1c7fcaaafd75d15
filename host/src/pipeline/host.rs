//! All pipelines of a process: started together, independent of each other, stopped together.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::{Ending, Meter, PipelineError, PipelineSpec, Stopper, chain_of, run, stop_channel};
use crate::state::Totals;

/// How long stopping may take before what is under way is left for the next start. Together with what comes after it,
/// this keeps an orderly stop below five seconds.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(4);

/// Pipelines at work.
pub struct Host {
    pipelines: Vec<Running>,
    started: Instant,
}

/// One pipeline at work.
struct Running {
    name: String,
    meter: Meter,
    stopper: Stopper,
    task: JoinHandle<Result<Ending, PipelineError>>,
}

/// How one pipeline ended.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Its figures at the end.
    pub figures: super::Figures,
    /// How it ended.
    pub result: Result<Ending, PipelineError>,
    /// From the start of the host to the first record that was durable in its sink.
    pub first_written: Option<Duration>,
}

impl Host {
    /// Starts pipelines. One that fails says so at once, and the others go on.
    pub fn start(specs: Vec<PipelineSpec>) -> Self {
        let started = Instant::now();
        let start = |spec: PipelineSpec| {
            let (stopper, _) = stop_channel();
            let meter = Meter::new(Totals::default());
            let name = spec.config.name.clone();
            let pipeline = name.clone();
            let running = run(spec, meter.clone(), stopper.clone());
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
            Running { name, meter, stopper, task }
        };
        Self { pipelines: specs.into_iter().map(start).collect(), started }
    }

    /// The pipelines' names and meters.
    pub fn meters(&self) -> Vec<(String, Meter)> {
        self.pipelines.iter().map(|running| (running.name.clone(), running.meter.clone())).collect()
    }

    /// Asks all pipelines to finish what they have read, and to leave it after [`DRAIN_DEADLINE`].
    pub fn stop(&self) {
        for running in &self.pipelines {
            running.stopper.drain();
        }
        let stoppers: Vec<Stopper> = self.pipelines.iter().map(|running| running.stopper.clone()).collect();
        tokio::spawn(async move {
            tokio::time::sleep(DRAIN_DEADLINE).await;
            for stopper in stoppers {
                stopper.abandon();
            }
        });
    }

    /// Whether all pipelines have ended.
    pub fn has_ended(&self) -> bool {
        self.pipelines.iter().all(|running| running.task.is_finished())
    }

    /// Waits for all pipelines to end.
    pub async fn wait(self) -> Vec<Report> {
        let mut reports = Vec::new();
        for running in self.pipelines {
            let result = running.task.await.unwrap_or(Err(PipelineError::Broken("pipeline")));
            let figures = running.meter.figures();
            let first_written = figures.first_written.map(|at| at.duration_since(self.started));
            reports.push(Report { name: running.name, figures, result, first_written });
        }
        reports
    }
}
