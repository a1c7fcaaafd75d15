//! `millstream dlq replay`: by the host that runs the pipeline, or, where none does, by this process.

use std::{fmt::Write, path::Path};

use anyhow::Context;

use super::{
    Format, ReplayArgs, load, names, pipelines,
    remote::{Answer, ask},
};
use crate::{
    cli::{
        Exit,
        progress::Screen,
        run::{drive, engine, prepare_or_say, runtime},
    },
    config::{Loaded, SinkConfig},
    pipeline::{CauseCount, Host, Replacement, Replay, ReplayError, ReplayLedger, chain_of},
    plugin::{Plugin, build},
    report::thousands,
    web::Asked,
};

/// Replays.
pub fn replay(args: &ReplayArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let Some(mut loaded) = load(&args.config, screen)? else { return Ok(Exit::Usage) };
    let Some(wanted) = pipelines(&loaded, args.pipeline.as_deref()) else { return Ok(Exit::Usage) };
    let [pipeline] = wanted.as_slice() else {
        eprintln!("error: say by `--pipeline` which one; there are: {}", names(&loaded));
        return Ok(Exit::Usage);
    };
    let (name, letters) = (pipeline.name.clone(), pipeline.dead_letters.clone());
    loaded.config.pipelines.retain(|pipeline| pipeline.name == name);
    let plugin = match args.plugin.as_deref().map(|path| component(path, screen)).transpose() {
        Ok(plugin) => plugin,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(Exit::Usage);
        }
    };
    let which = args.which.which();
    let asked = Asked {
        reason: which.reason.clone(),
        stage: which.stage.clone(),
        version: which.version.clone(),
        dry_run: args.dry_run,
    };
    let admin = args.admin.or(loaded.config.host.admin);
    let replayed = drive(runtime()?, async {
        let task = screen.task(&format!("replaying dead letters of {name}"));
        if let Some(admin) = admin.filter(|admin| admin.port() != 0) {
            let token = loaded.config.host.admin_token.as_ref();
            match ask(admin, token, &name, &asked, plugin.as_ref().map(|(_, bytes)| bytes.clone())).await? {
                Answer::Done(ledger) => return Ok(Ok(ledger)),
                Answer::Refused(why) => return Ok(Err(why)),
                Answer::Nobody if args.admin.is_some() => return Ok(Err(format!("nobody answers at {admin}"))),
                Answer::Nobody => {}
            }
        }
        drop(task);
        here(&loaded, args, plugin, screen).await
    })?;
    let ledger = match replayed {
        Ok(ledger) => ledger,
        Err(why) => {
            if !why.is_empty() {
                eprintln!("error: {why}");
            }
            return Ok(Exit::Usage);
        }
    };
    match args.format {
        Format::Text => print!("{}", text(&name, &letters, &ledger, args.dry_run)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&ledger)?),
    }
    Ok(if ledger.ended.is_none() && ledger.missing == 0 && ledger.drift() == 0 { Exit::Fine } else { Exit::Failed })
}

/// The component of a plugin that is named by a file or a crate folder.
fn component(path: &Path, screen: &Screen) -> anyhow::Result<(std::path::PathBuf, Vec<u8>)> {
    let wasm = if path.is_dir() {
        let task = screen.task(&format!("building {}", path.display()));
        build::build(path, &mut |event| task.now(&event.to_string()))?.wasm
    } else {
        path.to_owned()
    };
    let bytes = std::fs::read(&wasm).with_context(|| format!("cannot read `{}`", wasm.display()))?;
    Ok((wasm, bytes))
}

/// Opens the pipeline in this process, without its source, for as long as the replay takes. An error in words is one that
/// left everything as it was; an empty one was told already.
async fn here(
    loaded: &Loaded,
    args: &ReplayArgs,
    plugin: Option<(std::path::PathBuf, Vec<u8>)>,
    screen: &Screen,
) -> anyhow::Result<Result<ReplayLedger, String>> {
    let engine = engine(&loaded.config.host)?;
    let Some(mut prepared) = prepare_or_say(loaded, &engine, screen)? else { return Ok(Err(String::new())) };
    let replacement = match plugin {
        None => None,
        Some((path, bytes)) => match Plugin::compile(&engine, &path, &bytes) {
            Ok(plugin) => Some(Replacement { stage: args.which.stage.clone(), plugin }),
            Err(error) => return Ok(Err(chain_of(&error))),
        },
    };
    for spec in &mut prepared.specs {
        spec.reads = false;
        spec.config.run_for = None;
    }
    let Some(name) = prepared.specs.first().map(|spec| spec.config.name.clone()) else { return Ok(Err(String::new())) };
    let replay = Replay { which: args.which.which(), replacement, dry_run: args.dry_run };
    let host = Host::start(prepared.specs);
    let working = host.clone();
    let replayed = screen
        .watch(&host, async move {
            tokio::select! {
                replayed = working.replay(&name, &replay) => Some(replayed),
                _ = tokio::signal::ctrl_c() => None,
            }
        })
        .await;
    host.stop();
    for report in host.wait().await {
        if let Err(error) = &report.result {
            let hint =
                "if a host runs this pipeline, give it `admin = \"127.0.0.1:8642\"` in `[host]`, or stop it first";
            return Ok(Err(format!("{}; {hint}", chain_of(error))));
        }
    }
    Ok(match replayed {
        Some(replayed) => replayed.map_err(|error: ReplayError| chain_of(&error)),
        None => anyhow::bail!("interrupted; what was committed stays so, replay again for the rest"),
    })
}

fn text(pipeline: &str, letters: &SinkConfig, ledger: &ReplayLedger, dry_run: bool) -> String {
    let mut text = String::new();
    let taken = thousands(ledger.taken);
    let what = if dry_run { "taken up, as a trial: nothing was written" } else { "taken up" };
    let _ = writeln!(text, "{pipeline}: {} of {} {what}", super::letters(ledger.taken), letters.display);
    let sum = |counts: &[CauseCount]| counts.iter().map(|count| count.records).sum::<u64>();
    let mut line = |count: u64, what: &str| {
        let _ = writeln!(text, "  {:>10} {what}", thousands(count));
    };
    line(ledger.written, "written");
    for (counts, what) in [(&ledger.still_failing, "still failing"), (&ledger.dropped, "dropped")] {
        line(sum(counts), what);
        for count in counts {
            line(count.records, &format!("  {}: {}", count.stage, count.reason));
        }
    }
    line(ledger.missing, "missing");
    let split = if ledger.split > 0 { format!(" + {} split", thousands(ledger.split)) } else { String::new() };
    let _ = writeln!(
        text,
        "{taken} in{split} = {} written + {} still failing + {} dropped + {} missing",
        thousands(ledger.written),
        thousands(sum(&ledger.still_failing)),
        thousands(sum(&ledger.dropped)),
        thousands(ledger.missing)
    );
    for (count, why) in [
        (ledger.replayed_before, "were replayed before"),
        (ledger.not_asked_for, "were not asked for"),
        (ledger.not_committed, "are of records that this host has not committed yet, and will judge again"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "not taken up: {} {why}", thousands(count));
        }
    }
    if let Some(why) = &ledger.ended {
        let _ = writeln!(text, "ENDED EARLY: {why}");
    }
    text
}
