//! `millstream plugin inspect`: what a plugin is and what it asks for.

use std::fmt::Write;

use super::{Exit, InspectArgs, Opened, Screen, open, stage};
use crate::{
    plugin::ABI,
    record::Want,
    samples::Samples,
    transform::{Chain, Stage},
};

/// Looks into it.
pub fn inspect(args: &InspectArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let opened = match open(&args.plugin.plugin, screen) {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(Exit::Usage);
        }
    };
    print!("{}", component(&opened)?);
    let samples = Samples::of(&args.plugin.plugin).ok().flatten();
    let config = args.plugin.config.clone().or_else(|| Some(samples?.config?.to_string()));
    match Chain::new(vec![stage(&opened.plugin, config.as_deref().unwrap_or("{}"))]) {
        Ok(chain) => print!("{}", chain.stages().first().map(asked_for).unwrap_or_default()),
        Err(error) => {
            eprintln!("error: {}; what it asks for depends on its configuration: give it by `--config`", error.fault);
            return Ok(Exit::Usage);
        }
    }
    Ok(Exit::Fine)
}

fn component(opened: &Opened) -> anyhow::Result<String> {
    let size = std::fs::metadata(&opened.wasm)?.len();
    let (imports, exports) = opened.plugin.interfaces(&opened.engine);
    let mut text = format!("{}\n", opened.wasm.display());
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "  {name:<9} {what}");
    };
    line("contract", &format!("plugin@{ABI}"));
    line("size", &format!("{} KiB, compiled in {} ms", size.div_ceil(1024), opened.compiled_in.as_millis()));
    line("sha256", opened.plugin.sha256());
    exports.iter().for_each(|export| line("exports", export));
    imports.iter().for_each(|import| line("imports", import));
    Ok(text)
}

/// What its setup asked for.
fn asked_for(stage: &Stage) -> String {
    let descriptor = stage.descriptor();
    let mut text = String::new();
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "  {name:<9} {what}");
    };
    line("name", &format!("{} {}", descriptor.name, descriptor.version));
    for field in &descriptor.fields {
        let how = match field.want {
            Want::Kind => "its kind",
            Want::Text => "its text",
            Want::Raw => "its text, as written",
        };
        line("field", &format!("{} ({how})", field.pointer));
    }
    for (wants, what) in [
        (descriptor.wants_values, "the record's value"),
        (descriptor.wants_keys, "the record's key"),
        (descriptor.wants_timestamps, "the record's time (`grant = [\"clock\"]`)"),
        (descriptor.wants_seeds, "random words (`grant = [\"random\"]`)"),
    ] {
        if wants {
            line("wants", what);
        }
    }
    let state = stage.state().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for name in state.names() {
        line("store", &format!("{name}, of state version {} (`grant = [\"state\"]`)", descriptor.state_version));
    }
    text
}
