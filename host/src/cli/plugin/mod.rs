//! `millstream plugin`: what the author of a plugin needs: begin one, build it, look into it, try its samples, measure it.

mod bench;
mod build;
mod inspect;
mod new;
mod samples;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{Exit, progress::Screen};
use crate::{
    plugin::{Capability, Grants, Limits, Plugin, PluginEngine, StageName, build as builds},
    transform::StageSpec,
};

/// Write plugins, build them, look into them, try and measure them
#[derive(Debug, Subcommand)]
pub(super) enum PluginVerb {
    New(NewArgs),
    Build(BuildArgs),
    Inspect(InspectArgs),
    Test(TestArgs),
    Bench(BenchArgs),
}

/// Write a small, complete plugin to begin with: sources, tests, samples
///
/// It works on the users of `millstream demo` as it is. `plugin build`, `plugin test` and a running host take its folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream plugin new my-filter
  millstream plugin new plugins/mask-email --kind map
  millstream plugin new rate-limit --kind stateful --lang python

Exit codes:
  0  it was written
  1  it could not be written
  2  there is something of that name already, or it is no name of a crate")]
pub(super) struct NewArgs {
    /// Its name, which is that of its folder; folders may stand before it
    #[arg(value_name = "NAME")]
    name: PathBuf,
    /// What it is written in
    #[arg(long, default_value = "rust")]
    lang: new::Lang,
    /// What it does with records
    #[arg(long, default_value = "filter")]
    kind: new::Kind,
}

/// Build plugin crates into components
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream plugin build plugins/validate
  millstream plugin build plugins/validate --out validate.wasm")]
pub(super) struct BuildArgs {
    /// Folders of plugin crates
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Copy the component to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Say what a plugin is and what it asks for: contract, imports and exports, fields, size, SHA-256
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream plugin inspect validate.wasm
  millstream plugin inspect plugins/dedup --config '{ \"key\": \"id\" }'")]
pub(super) struct InspectArgs {
    #[command(flatten)]
    plugin: PluginArg,
}

/// Run a plugin's samples in the real sandbox
///
/// The samples lie beside the plugin: `samples.toml` in its crate's folder, `NAME.samples.toml` beside `NAME.wasm`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream plugin test plugins/dedup
  millstream plugin test dedup.wasm

Exit codes:
  0  all samples held
  1  a sample did not
  2  there are no samples, or the plugin cannot be run")]
pub(super) struct TestArgs {
    #[command(flatten)]
    plugin: PluginArg,
}

/// Measure what a plugin costs per record, on its samples over and over
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream plugin bench plugins/validate
  millstream plugin bench validate.wasm --records 1000000 --batch 256")]
pub(super) struct BenchArgs {
    #[command(flatten)]
    plugin: PluginArg,
    /// How many records
    #[arg(long, default_value_t = 200_000)]
    records: u64,
    /// How many in a batch
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// A file of records, one per line, instead of the samples
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PluginArg {
    /// A `.wasm` file, or the folder of a plugin's crate
    plugin: PathBuf,
    /// Its configuration, as JSON [default: that of its samples, else empty]
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
}

/// Runs one of them.
pub(super) fn plugin(verb: PluginVerb, screen: &Screen) -> anyhow::Result<Exit> {
    match verb {
        PluginVerb::New(args) => new::new(&args),
        PluginVerb::Build(args) => build::build(&args, screen),
        PluginVerb::Inspect(args) => inspect::inspect(&args, screen),
        PluginVerb::Test(args) => samples::test(&args, screen),
        PluginVerb::Bench(args) => bench::bench(&args, screen),
    }
}

/// A plugin that was built if need be, and compiled.
struct Opened {
    engine: PluginEngine,
    plugin: Plugin,
    wasm: PathBuf,
    compiled_in: Duration,
}

/// Builds and compiles a plugin.
fn open(path: &Path, screen: &Screen) -> anyhow::Result<Opened> {
    let wasm = if path.is_dir() {
        let task = screen.task(&format!("building {}", path.display()));
        builds::build(path, &mut |event| task.now(&event.to_string()))?.wasm
    } else {
        path.to_owned()
    };
    let engine =
        PluginEngine::new().map_err(|error| anyhow::anyhow!("cannot start the WebAssembly engine: {error:#}"))?;
    let began = Instant::now();
    let plugin = Plugin::load(&engine, &wasm).with_context(|| format!("cannot load `{}`", wasm.display()))?;
    Ok(Opened { engine, plugin, wasm, compiled_in: began.elapsed() })
}

/// A stage that grants the plugin whatever it asks for, with the limits of a stage that sets none.
fn stage(plugin: &Plugin, config: &str) -> StageSpec {
    let all = Capability::ALL.map(Capability::word);
    StageSpec {
        name: StageName { pipeline: "plugin".into(), stage: "plugin".into() },
        plugin: plugin.clone(),
        config: config.to_owned(),
        limits: Limits { grants: Grants::named(&all), ..Limits::default() },
    }
}
