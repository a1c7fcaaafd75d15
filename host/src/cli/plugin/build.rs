//! `millstream plugin build`: plugin crates into components.

use anyhow::Context;

use super::{BuildArgs, Exit, Screen};
use crate::plugin::build;

/// Builds them.
pub fn build(args: &BuildArgs, screen: &Screen) -> anyhow::Result<Exit> {
    if args.out.is_some() && args.folders.len() > 1 {
        eprintln!("error: `--out` takes one plugin; {} were given", args.folders.len());
        return Ok(Exit::Usage);
    }
    let mut exit = Exit::Fine;
    for folder in &args.folders {
        let task = screen.task(&format!("building {}", folder.display()));
        let built = build::build(folder, &mut |event| task.now(&event.to_string()));
        drop(task);
        match built {
            Ok(built) => {
                let mut wasm = built.wasm.clone();
                if let Some(out) = &args.out {
                    std::fs::copy(&wasm, out)
                        .with_context(|| format!("cannot copy the plugin to `{}`", out.display()))?;
                    wasm.clone_from(out);
                }
                let size = std::fs::metadata(&wasm).map_or(0, |metadata| metadata.len());
                let state = if built.fresh { "up to date" } else { "built" };
                println!("{}  {state}  {} KiB  sha256 {}", wasm.display(), size.div_ceil(1024), built.sha256);
            }
            Err(error) => {
                eprintln!("error: {error}");
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}
