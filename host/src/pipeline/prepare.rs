//! From a configuration to pipelines that are ready to run: builds and loads the plugins, hands each its configuration
//! once, and runs its own samples. Whatever is wrong with them is reported together, each at its place in the file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::PipelineSpec;
use crate::{
    config::{Fault, Faults, Loaded, StageConfig},
    plugin::{
        Grants, InitError, Limits, Plugin, PluginEngine, StageName,
        build::{self, BuildEvent},
    },
    samples::Samples,
    transform::{Chain, ChainError, ChainFault, StageSpec},
};

/// Pipelines that are ready to run, and what they were made from.
#[derive(Clone, Default)]
pub struct Prepared {
    /// The pipelines, in the order of the file.
    pub specs: Vec<PipelineSpec>,
    /// The files that decide about them: the configuration, plugins, and sources of plugins.
    pub watched: Vec<PathBuf>,
}

/// Prepares all pipelines. `known` plugins are not compiled again where their file is the same. `progress` hears what is
/// being done, for builds that take a while.
pub fn prepare(
    loaded: &Loaded,
    engine: &PluginEngine,
    known: &[Plugin],
    progress: &mut dyn FnMut(BuildEvent),
) -> Result<Prepared, Faults> {
    let mut watched = vec![loaded.config.path.clone()];
    let mut plugins: BTreeMap<PathBuf, Result<Plugin, Fault>> = BTreeMap::new();
    let mut faults = Vec::new();
    let mut specs = Vec::new();
    for pipeline in &loaded.config.pipelines {
        let mut stages = Vec::new();
        for stage in &pipeline.stages {
            let plugin = plugins
                .entry(stage.plugin.clone())
                .or_insert_with(|| plugin(stage, engine, known, &mut watched, progress));
            match plugin {
                Ok(plugin) => {
                    let spec = stage_spec(&pipeline.name, stage, plugin.clone());
                    match tried(stage, &spec) {
                        Ok(()) => stages.push(spec),
                        Err(fault) => faults.push(fault.of(&pipeline.name)),
                    }
                }
                Err(fault) => {
                    let fault = Fault { span: stage.plugin_span.clone(), ..fault.clone() };
                    faults.push(fault.of(&pipeline.name));
                }
            }
        }
        specs.push(PipelineSpec {
            config: pipeline.clone(),
            stages,
            data_dir: loaded.config.host.data_dir.clone(),
            durability: loaded.config.host.durability,
            reads: true,
        });
    }
    if !faults.is_empty() {
        return Err(Faults::new(loaded.source.clone(), faults));
    }
    // Not before all is right: what is refused leaves nothing behind.
    plugins.values().flatten().for_each(|plugin| engine.keep(plugin));
    Ok(Prepared { specs, watched })
}

/// Hands the plugin its configuration, and its own samples if it has any.
fn tried(stage: &StageConfig, spec: &StageSpec) -> Result<(), Fault> {
    // Let go of before the samples run: there is room for so many instances only.
    drop(Chain::new(vec![spec.clone()]).map_err(|error| refused(stage, &error))?);
    let failed =
        |message| Err(Fault::new("plugin-samples", stage.plugin_span.clone(), message).label("its samples fail"));
    let samples = match Samples::of(&stage.plugin) {
        Ok(Some(samples)) => samples,
        Ok(None) => return Ok(()),
        Err(error) => return failed(super::chain_of(&error)),
    };
    match samples.run(spec) {
        Ok(tried) => samples.faults(&tried).map_or(Ok(()), |faults| {
            failed(format!("stage `{}`: the plugin's own samples fail:\n{faults}", stage.name))
        }),
        Err(error) => failed(super::chain_of(&error)),
    }
}

fn refused(stage: &StageConfig, error: &ChainError) -> Fault {
    match error.fault {
        ChainFault::Init(InitError::NotGranted { .. }) => {
            Fault::new("not-granted", stage.grant_span.clone(), error.to_string()).label("grants too little")
        }
        _ => {
            Fault::new("plugin-refused", stage.config_span.clone(), error.to_string()).label("the plugin refuses this")
        }
    }
}

fn stage_spec(pipeline: &str, stage: &StageConfig, plugin: Plugin) -> StageSpec {
    StageSpec {
        name: StageName { pipeline: pipeline.into(), stage: stage.name.as_str().into() },
        plugin,
        config: stage.config.to_string(),
        limits: Limits {
            memory: stage.memory,
            table: stage.table,
            timeout: stage.timeout,
            output: stage.output,
            log: stage.log,
            grants: Grants::named(&stage.grant),
        },
    }
}

/// The plugin that a stage names: a `.wasm` file, or a crate folder that is built first.
fn plugin(
    stage: &StageConfig,
    engine: &PluginEngine,
    known: &[Plugin],
    watched: &mut Vec<PathBuf>,
    progress: &mut dyn FnMut(BuildEvent),
) -> Result<Plugin, Fault> {
    let path = stage.plugin.as_path();
    let fault = |code, message: String| Fault::new(code, stage.plugin_span.clone(), message);
    watched.push(Samples::beside(path));
    if !path.exists() {
        let message = format!("there is no plugin at `{}`", path.display());
        let hint = "name a `.wasm` file, or the folder of a plugin's crate, relative to this file's folder";
        return Err(fault("plugin-missing", message).hint(hint));
    }
    if path.is_dir() {
        let built = build::build(path, progress);
        let built = built.map_err(|error| fault("plugin-build", error.to_string()))?;
        watched.extend(built.sources);
        return load(&built.wasm, engine, known).map_err(|message| fault("plugin-load", message));
    }
    watched.push(path.to_owned());
    load(path, engine, known).map_err(|message| fault("plugin-load", message))
}

fn load(path: &Path, engine: &PluginEngine, known: &[Plugin]) -> Result<Plugin, String> {
    Plugin::load_unless_known(engine, path, known).map_err(|error| super::chain_of(&error))
}
