//! `millstream check`: everything that is wrong with a configuration and its plugins, without starting anything.

use super::{CheckArgs, Exit, progress::Screen, run::say};
use crate::{
    config::{self, Faults},
    pipeline::{PipelineSpec, prepare},
    plugin::PluginEngine,
};

/// How faults and summaries are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// A JSON object on standard output
    Json,
}

/// Checks it.
pub fn check(args: &CheckArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let loaded = match config::load(&args.config.config, &|name| std::env::var(name).ok()) {
        Ok(loaded) => loaded,
        Err(faults) => return refused(&faults, args, screen),
    };
    let engine = PluginEngine::with(loaded.config.host.stack, loaded.config.host.fuel);
    let engine = engine.map_err(|error| anyhow::anyhow!("cannot start the WebAssembly engine: {error:#}"))?;
    let task = screen.task("loading plugins");
    let prepared = prepare(&loaded, &engine, &[], &mut |event| task.now(&event.to_string()));
    drop(task);
    let specs = match prepared {
        Ok(prepared) => prepared.specs,
        Err(faults) => return refused(&faults, args, screen),
    };
    let fails = args.strict && !loaded.warnings.is_empty();
    match args.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&loaded.warnings)?),
        Format::Text => {
            if !loaded.warnings.is_empty() {
                say(&loaded.warnings, screen);
            }
            for spec in &specs {
                print!("{}", way(spec));
            }
            if !fails {
                println!("{} is right", args.config.config.display());
            }
        }
    }
    Ok(if fails { Exit::Usage } else { Exit::Fine })
}

fn refused(faults: &Faults, args: &CheckArgs, screen: &Screen) -> anyhow::Result<Exit> {
    match args.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(faults)?),
        Format::Text => say(faults, screen),
    }
    Ok(Exit::Usage)
}

/// The way of the data through a pipeline.
fn way(spec: &PipelineSpec) -> String {
    let config = &spec.config;
    let mut text = format!("{}\n  source        {}\n", config.name, config.source.display);
    for stage in &spec.stages {
        let sha256 = stage.plugin.sha256().get(..12).unwrap_or_default();
        text.push_str(&format!(
            "  stage         {} ({}, sha256 {sha256})\n",
            stage.name.stage,
            stage.plugin.path().display()
        ));
    }
    text.push_str(&format!(
        "  sink          {}\n  dead letters  {}\n",
        config.sink.display, config.dead_letters.display
    ));
    if let Some(schedule) = &config.schedule {
        text.push_str(&format!("  schedule      {schedule}\n"));
        let mut at_ms = crate::pipeline::now_ms();
        for label in ["next runs", "", ""] {
            let Some(next_ms) = schedule.next_ms(at_ms) else { break };
            text.push_str(&format!("  {label:<12}  {}\n", schedule.shown(next_ms)));
            at_ms = next_ms;
        }
    }
    text
}
