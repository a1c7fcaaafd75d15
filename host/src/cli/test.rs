//! `millstream test`: the `[[test]]`s of a configuration, through the real plugins in the sandbox.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::sync::mpsc;

use super::{
    Exit, TestArgs,
    junit::junit,
    progress::Screen,
    run::{drive, engine, load, prepare_or_say, runtime},
};
use crate::{
    config::{Loaded, TestConfig},
    pipeline::{Prepared, chain_of, try_out},
    reload,
};

/// How one test went.
pub struct Tested {
    /// The pipeline.
    pub pipeline: String,
    /// The test's name.
    pub name: String,
    /// What went wrong, a text for each record.
    pub faults: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Runs them.
pub fn test(args: &TestArgs, screen: &Screen) -> anyhow::Result<Exit> {
    if !args.watch {
        return Ok(once(args, screen)?.0);
    }
    drive(runtime()?, async {
        let watched: Arc<Mutex<Vec<std::path::PathBuf>>> = Arc::default();
        let (triggers, mut changes) = mpsc::unbounded_channel();
        // The configuration from the beginning: it may be saved while its tests run.
        watched.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(args.config.config.clone());
        tokio::spawn(reload::watch(watched.clone(), triggers));
        loop {
            let (_, files) = tokio::task::block_in_place(|| once(args, screen))?;
            *watched.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = files;
            eprintln!("waiting for a change (Ctrl-C ends)");
            tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => eprintln!("\n{}", change.why),
                    None => return Ok(Exit::Fine),
                },
                _ = tokio::signal::ctrl_c() => return Ok(Exit::Fine),
            }
        }
    })
}

/// Runs them once, and says which files decide about the outcome.
fn once(args: &TestArgs, screen: &Screen) -> anyhow::Result<(Exit, Vec<std::path::PathBuf>)> {
    let files = vec![args.config.config.clone()];
    let Some(loaded) = load(&args.config.config, screen)? else { return Ok((Exit::Usage, files)) };
    let engine = engine(&loaded.config.host)?;
    let Some(prepared) = prepare_or_say(&loaded, &engine, screen)? else { return Ok((Exit::Usage, files)) };
    let wanted = |test: &&TestConfig| args.only.is_empty() || args.only.iter().any(|only| test.name.contains(only));
    let tests: Vec<_> = loaded.config.tests.iter().filter(wanted).collect();
    if tests.is_empty() {
        let file = args.config.config.display();
        let why = if args.only.is_empty() { "has no `[[test]]`" } else { "has no `[[test]]` of such a name" };
        eprintln!("error: `{file}` {why}; see `millstream test --help` for one");
        return Ok((Exit::Usage, prepared.watched));
    }
    let mut tested = Vec::new();
    for test in tests {
        let one = run(test, &loaded, &prepared);
        print!("{}", text(&one));
        tested.push(one);
    }
    let failed = tested.iter().filter(|tested| !tested.faults.is_empty()).count();
    println!("{} passed, {failed} failed", tested.len() - failed);
    if let Some(file) = &args.junit {
        write(file, &junit(&args.config.config.display().to_string(), &tested))?;
    }
    Ok((if failed > 0 { Exit::Failed } else { Exit::Fine }, prepared.watched))
}

fn run(test: &TestConfig, loaded: &Loaded, prepared: &Prepared) -> Tested {
    let began = Instant::now();
    let place = |span: &std::ops::Range<usize>| {
        let (line, column) = loaded.source.place(span.start);
        format!("{}:{line}:{column}", loaded.source.path.display())
    };
    let spec = prepared.specs.iter().find(|spec| spec.config.name == test.pipeline);
    let faults = match spec.map(|spec| try_out(test, spec)) {
        None => vec![format!("{}: there is no pipeline `{}`", place(&test.span), test.pipeline)],
        Some(Err(error)) => vec![format!("{}: {}", place(&test.span), chain_of(&error))],
        Some(Ok(mismatches)) => mismatches
            .into_iter()
            .map(|mismatch| {
                let at = test.records.get(mismatch.record).map_or(&test.span, |record| &record.span);
                let number = mismatch.record + 1;
                format!(
                    "{}: record {number}\n  expected {}\n  found    {}",
                    place(at),
                    mismatch.expected,
                    mismatch.found
                )
            })
            .collect(),
    };
    Tested { pipeline: test.pipeline.clone(), name: test.name.clone(), faults, took: began.elapsed() }
}

fn text(tested: &Tested) -> String {
    let verdict = if tested.faults.is_empty() { "ok" } else { "FAILED" };
    let mut text = format!("{}: {} ... {verdict}\n", tested.pipeline, tested.name);
    for line in tested.faults.iter().flat_map(|fault| fault.lines()) {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write `{}`", file.display()))
}
