//! `millstream report`: what is in the tables of a configuration, or in the table at an address.

use std::{io::Write, path::Path, time::Instant};

use anyhow::Context;
use serde_json::json;

use super::{
    Exit, ReportArgs,
    check::Format,
    progress::Screen,
    run::{drive, load, runtime},
};
use crate::report::{self, Failed, Place, Report, thousands};

/// The configuration that is looked for where none is named.
const USUAL_FILE: &str = "pipeline.toml";
/// Rows between two looks at the clock.
const SAY_EVERY: u64 = 4_096;

/// Makes it.
pub fn report(args: &ReportArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let Some(places) = places(args, screen)? else { return Ok(Exit::Usage) };
    let mut reports = Vec::new();
    for place in &places {
        match drive(runtime()?, read(place, args.limit, screen)) {
            Ok(report) => reports.push(report),
            Err(failed) => {
                eprintln!("error: {failed}");
                return Ok(Exit::Failed);
            }
        }
    }
    match args.format {
        Format::Text => {
            let texts: Vec<String> = reports.iter().map(report::text).collect();
            print(&texts.join("\n"))?;
        }
        Format::Json => {
            let tables: Vec<_> = reports.iter().map(report::json).collect();
            print(&format!("{}\n", json!({ "tables": tables })))?;
        }
    }
    if let Some(path) = &args.html {
        std::fs::write(path, report::html(&reports)).with_context(|| format!("cannot write `{}`", path.display()))?;
        eprintln!("written: {}", path.display());
    }
    Ok(Exit::Fine)
}

/// Prints it; whoever reads may have read enough.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("cannot print the report"),
    }
}

async fn read(place: &Place, limit: report::Limit, screen: &Screen) -> Result<Report, Failed> {
    let task = screen.quiet_task("reading");
    let began = Instant::now();
    let said = |rows: u64| {
        if rows.is_multiple_of(SAY_EVERY) {
            let per_s = rows as f64 / began.elapsed().as_secs_f64().max(0.001);
            task.now(&format!("{} rows read  {per_s:.0}/s", thousands(rows)));
        }
    };
    report::read(place, limit, &said).await
}

/// What to report on; `None` where that is wrong, which was said.
fn places(args: &ReportArgs, screen: &Screen) -> anyhow::Result<Option<Vec<Place>>> {
    let refused = |failed: Failed| {
        eprintln!("error: {failed}");
        Ok(None)
    };
    let usual = || report::usual_place().map(|place| vec![place]);
    let path = match &args.of {
        Some(of) if is_address(of) => {
            if !args.only.is_empty() {
                eprintln!(
                    "error: `--only` names a pipeline of a configuration, and `{}` is an address",
                    of.split(':').next().unwrap_or_default()
                );
                return Ok(None);
            }
            return report::address(of).map_or_else(refused, |place| Ok(Some(vec![place])));
        }
        Some(of) => of.as_str(),
        None if Path::new(USUAL_FILE).exists() => USUAL_FILE,
        None => return usual().map_or_else(refused, |places| Ok(Some(places))),
    };
    let Some(mut loaded) = load(Path::new(path), screen)? else { return Ok(None) };
    let names: Vec<_> = loaded.config.pipelines.iter().map(|pipeline| pipeline.name.clone()).collect();
    if let Some(unknown) = args.only.iter().find(|name| !names.contains(name)) {
        eprintln!("error: there is no pipeline `{unknown}`; there are: {}", names.join(", "));
        return Ok(None);
    }
    if !args.only.is_empty() {
        loaded.config.pipelines.retain(|pipeline| args.only.contains(&pipeline.name));
    }
    let places = report::places(&loaded.config);
    match (places.is_empty(), &args.of) {
        (false, _) => Ok(Some(places)),
        (true, None) if args.only.is_empty() => usual().map_or_else(refused, |places| Ok(Some(places))),
        (true, _) => {
            eprintln!(
                "error: no pipeline of `{path}` writes a table; name one whose sink is `cassandra:` or `sqlite:`"
            );
            Ok(None)
        }
    }
}

/// Whether an argument is the address of something, rather than a file.
fn is_address(of: &str) -> bool {
    let scheme = of.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !Path::new(of).exists()
}
