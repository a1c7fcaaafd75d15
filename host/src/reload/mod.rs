//! Changes while the host runs: a plugin's file or sources, or `pipeline.toml`, are read again, checked as at the start, and
//! put into effect pipeline by pipeline. Whatever is wrong leaves what runs as it is.
//!
//! In comes a trigger (a file changed, SIGHUP, a request), out comes what happened to each pipeline.

mod watch;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::{
    config::{Faults, Loaded, PipelineConfig},
    pipeline::{Host, PipelineSpec, Prepared, prepare},
    plugin::{Plugin, PluginEngine},
    transform::StageSpec,
};

pub use watch::watch;

/// Asks for a reload; the answer, where somebody waits for it, says what happened.
pub struct Trigger {
    /// What gave rise to it, for the log.
    pub why: String,
    /// Where the answer goes.
    pub answer: Option<oneshot::Sender<Outcome>>,
}

/// What a reload came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Why nothing was changed, where the configuration or a plugin was refused as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What happened to each pipeline.
    pub pipelines: Vec<Change>,
}

impl Outcome {
    /// Whether all that was read runs now.
    pub fn took_effect(&self) -> bool {
        self.refused.is_none() && self.pipelines.iter().all(|change| change.change != Kind::Refused)
    }
}

/// What a reload did to a pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Its name.
    pub pipeline: String,
    /// What was done.
    pub change: Kind,
    /// Which stages run now, or why they do not.
    pub detail: String,
}

/// See [`Change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is the same.
    Unchanged,
    /// Its stages were swapped between two batches.
    Swapped,
    /// Its new stages were refused; the ones before run on.
    Refused,
    /// It is new.
    Started,
    /// Its source, its sink or a setting of its own changed: it was drained and began anew.
    Restarted,
    /// It is gone: it was drained and ended.
    Removed,
}

/// Reads the configuration again.
pub type Load = Box<dyn Fn() -> Result<Loaded, Faults> + Send>;

/// See the module.
pub struct Reloader {
    load: Load,
    engine: PluginEngine,
    host: Host,
    running: Vec<PipelineSpec>,
    watched: Arc<Mutex<Vec<PathBuf>>>,
    /// Stages that were put back; they are not tried again as they are.
    put_back: Arc<Mutex<BTreeSet<String>>>,
}

impl Reloader {
    /// For pipelines that run already. `watched` is kept up to date with the files that matter.
    pub fn new(
        load: Load,
        engine: PluginEngine,
        host: Host,
        started: Prepared,
        watched: Arc<Mutex<Vec<PathBuf>>>,
    ) -> Self {
        *watched.lock().unwrap_or_else(PoisonError::into_inner) = started.watched;
        Self { load, engine, host, running: started.specs, watched, put_back: Arc::default() }
    }

    /// Reloads at every trigger, one after the other.
    pub async fn serve(mut self, mut triggers: mpsc::UnboundedReceiver<Trigger>) {
        while let Some(trigger) = triggers.recv().await {
            tracing::debug!("reloading: {}", trigger.why);
            let outcome = self.reload().await;
            if let Some(answer) = trigger.answer {
                // Whoever asked may have gone.
                let _ = answer.send(outcome);
            }
        }
    }

    /// Reads everything again and puts it into effect.
    pub async fn reload(&mut self) -> Outcome {
        let prepared = tokio::task::block_in_place(|| self.prepare());
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(faults) => {
                let refused = faults.to_string();
                tracing::error!("not reloaded, what runs goes on:\n{refused}");
                self.host.reloaded(Some(&refused));
                for handle in self.host.handles() {
                    let mine = faults.iter().filter(|fault| fault.pipeline.as_deref() == Some(handle.name.as_str()));
                    mine.for_each(|fault| handle.control.refused(&fault.message));
                }
                return Outcome { refused: Some(refused), pipelines: Vec::new() };
            }
        };
        self.host.reloaded(None);
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&prepared.watched);
        let mut pipelines = Vec::new();
        let wanted = |name: &str| prepared.specs.iter().any(|spec| spec.config.name == name);
        for gone in self.running.extract_if(.., |spec| !wanted(&spec.config.name)) {
            self.host.remove(&gone.config.name).await;
            pipelines.push(Change::of(&gone, Kind::Removed, String::new()));
        }
        for spec in prepared.specs {
            pipelines.push(self.apply(spec).await);
        }
        for change in &pipelines {
            change.say();
        }
        Outcome { refused: None, pipelines }
    }

    fn prepare(&self) -> Result<Prepared, Faults> {
        let loaded = (self.load)()?;
        let known: Vec<Plugin> =
            self.host.handles().iter().flat_map(|handle| handle.control.stages()).map(|stage| stage.plugin).collect();
        prepare(&loaded, &self.engine, &known, &mut |event| tracing::debug!("{event}"))
    }

    async fn apply(&mut self, spec: PipelineSpec) -> Change {
        let name = spec.config.name.clone();
        let running = self.running.iter_mut().find(|running| running.config.name == name);
        let handle = self.host.handles().into_iter().find(|handle| handle.name == name);
        let (Some(running), Some(handle)) = (running, handle) else {
            self.host.add(spec.clone());
            let change = Change::of(&spec, Kind::Started, String::new());
            self.running.push(spec);
            return change;
        };
        if !same_but_stages(&running.config, &spec.config) {
            self.host.replace(spec.clone()).await;
            let change = Change::of(&spec, Kind::Restarted, String::new());
            *running = spec;
            return change;
        }
        let before = handle.control.stages();
        if fingerprint(&before) == fingerprint(&spec.stages) {
            return Change::of(&spec, Kind::Unchanged, String::new());
        }
        let tried = format!("{name} {}", fingerprint(&spec.stages));
        if self.put_back.lock().unwrap_or_else(PoisonError::into_inner).contains(&tried) {
            let why = "these versions were put back already; change them to have them tried again";
            handle.control.refused(why);
            return Change::of(&spec, Kind::Refused, why.to_owned());
        }
        let began = std::time::Instant::now();
        match handle.control.swap(spec.stages.clone(), spec.config.probation).await {
            Ok(verdict) => {
                let put_back = self.put_back.clone();
                tokio::spawn(async move {
                    // The worker may have ended before there was one; then the version stays.
                    if let Ok(Err(why)) = verdict.await {
                        tracing::error!(
                            pipeline = name,
                            "the new version is put back: {why}; its records were run again on the one before"
                        );
                        put_back.lock().unwrap_or_else(PoisonError::into_inner).insert(tried);
                    }
                });
                *running = spec.clone();
                let difference = difference(&before, &spec.stages);
                Change::of(&spec, Kind::Swapped, format!("{difference} (swapped in {:.0?})", began.elapsed()))
            }
            Err(why) => Change::of(&spec, Kind::Refused, why),
        }
    }
}

impl Change {
    fn of(spec: &PipelineSpec, change: Kind, detail: String) -> Self {
        Self { pipeline: spec.config.name.clone(), change, detail }
    }

    fn say(&self) {
        let (pipeline, detail) = (&self.pipeline, &self.detail);
        match self.change {
            Kind::Unchanged => tracing::debug!(pipeline, "unchanged"),
            Kind::Swapped => tracing::info!(pipeline, "new version live: {detail}"),
            Kind::Refused => tracing::error!(pipeline, "new version refused, the one before runs on: {detail}"),
            Kind::Started => tracing::info!(pipeline, "started"),
            Kind::Restarted => tracing::info!(pipeline, "restarted with its new configuration"),
            Kind::Removed => tracing::info!(pipeline, "removed"),
        }
    }
}

/// Whether two configurations of a pipeline differ at most in their stages and where they stand in the file.
fn same_but_stages(a: &PipelineConfig, b: &PipelineConfig) -> bool {
    let without = |config: &PipelineConfig| PipelineConfig {
        stages: Vec::new(),
        probation: Default::default(),
        ..config.clone()
    };
    without(a) == without(b)
}

/// What is new, in words.
fn difference(before: &[StageSpec], now: &[StageSpec]) -> String {
    let mut words = Vec::new();
    for stage in now {
        let (name, sha256) = (&stage.name.stage, stage.plugin.sha256());
        match before.iter().find(|before| before.name.stage == *name) {
            None => words.push(format!("stage `{name}` added ({sha256:.8})")),
            Some(before) if before.plugin.sha256() != sha256 => {
                words.push(format!("stage `{name}` {:.8} → {sha256:.8}", before.plugin.sha256()));
            }
            Some(before) if fingerprint(std::slice::from_ref(before)) != fingerprint(std::slice::from_ref(stage)) => {
                words.push(format!("stage `{name}` configured anew"));
            }
            Some(_) => {}
        }
    }
    let gone = |before: &&StageSpec| !now.iter().any(|stage| stage.name.stage == before.name.stage);
    words.extend(before.iter().filter(gone).map(|stage| format!("stage `{}` removed", stage.name.stage)));
    if words.is_empty() { "stages reordered".to_owned() } else { words.join(", ") }
}

/// What decides whether stages are the same.
fn fingerprint(stages: &[StageSpec]) -> String {
    let one = |stage: &StageSpec| {
        let (name, sha256, config) = (&stage.name.stage, stage.plugin.sha256(), &stage.config);
        format!("{name} {sha256} {config} {:?}\n", stage.limits)
    };
    stages.iter().map(one).collect()
}
