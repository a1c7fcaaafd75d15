//! `millstream run`: the pipelines of a configuration, until they end or are stopped.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::JoinHandle,
};

use super::{
    Exit, RunArgs, UntilArgs, check::Format, exit::INTERRUPTED, progress::Screen, summary::summary,
    summary_json::summary_json,
};
use crate::{
    config::{self, ADMIN, Faults, HostConfig, Loaded, Secret},
    pipeline::{Host, PipelineSpec, Prepared, prepare},
    plugin::{PluginEngine, build::BuildEvent},
    reload::{self, Load, Reloader, Trigger},
    web,
};

/// Runs them.
pub fn run(args: RunArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let runtime = runtime()?;
    let early = end_early(&runtime);
    let (path, only, until) = (args.config.config.clone(), args.only.clone(), args.until);
    let load: Load = Box::new(move || {
        let mut loaded = config::load(&path, &|name| std::env::var(name).ok())?;
        if !only.is_empty() {
            loaded.config.pipelines.retain(|pipeline| only.contains(&pipeline.name));
        }
        apply(&until, &mut loaded);
        Ok(loaded)
    });
    if !args.only.is_empty() {
        let Some(loaded) = self::load(&args.config.config, screen)? else { return Ok(Exit::Usage) };
        for name in &args.only {
            if !loaded.config.pipelines.iter().any(|pipeline| pipeline.name == *name) {
                let names: Vec<_> = loaded.config.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
                eprintln!("error: there is no pipeline `{name}`; there are: {}", names.join(", "));
                return Ok(Exit::Usage);
            }
        }
    }
    let Some(start) = start_or_say(load, !args.no_watch, screen)? else { return Ok(Exit::Usage) };
    drive(runtime, until_done(start, early, args.summary, screen))
}

/// Ends the process in order when it is told to before anything has started: while plugins are built, say.
pub(super) fn end_early(runtime: &tokio::runtime::Runtime) -> Option<JoinHandle<()>> {
    let _within = runtime.enter();
    let mut terminate = signal(SignalKind::terminate()).ok()?;
    let mut interrupt = signal(SignalKind::interrupt()).ok()?;
    Some(runtime.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopped before anything was started");
        std::process::exit(0);
    }))
}

/// Pipelines that can be started, and what is needed to reload them.
pub(super) struct Start {
    load: Load,
    engine: PluginEngine,
    prepared: Prepared,
    admin: Option<SocketAddr>,
    /// Whether another port will do, where that of `admin` is taken.
    any_port: bool,
    token: Option<Secret>,
    watch: bool,
}

impl Start {
    /// Answers at the usual admin address where the configuration names none, or at another port where that one is taken.
    pub(super) fn with_admin(mut self) -> Self {
        if self.admin.is_none() {
            (self.admin, self.any_port) = (Some(ADMIN), true);
        }
        self
    }

    pub(super) fn specs(&self) -> &[PipelineSpec] {
        &self.prepared.specs
    }
}

/// Reads the configuration and prepares its pipelines, or prints what is wrong.
pub(super) fn start_or_say(load: Load, watch: bool, screen: &Screen) -> anyhow::Result<Option<Start>> {
    let loaded = match load() {
        Ok(loaded) => loaded,
        Err(faults) => {
            say(&faults, screen);
            return Ok(None);
        }
    };
    if !loaded.warnings.is_empty() {
        say(&loaded.warnings, screen);
    }
    let engine = engine(&loaded.config.host)?;
    let Some(prepared) = prepare_or_say(&loaded, &engine, screen)? else { return Ok(None) };
    let HostConfig { admin, admin_token: token, .. } = loaded.config.host;
    Ok(Some(Start { load, engine, prepared, admin, any_port: false, token, watch }))
}

/// An engine that keeps compiled code below `data_dir`.
pub(super) fn engine(host: &HostConfig) -> anyhow::Result<PluginEngine> {
    let engine = PluginEngine::with(host.stack, host.fuel);
    let engine = engine.map_err(|error| anyhow::anyhow!("cannot start the WebAssembly engine: {error:#}"))?;
    Ok(engine.with_cache(host.data_dir.join("cache")))
}

/// Reads the configuration, or prints what is wrong with it.
pub(super) fn load(path: &Path, screen: &Screen) -> anyhow::Result<Option<Loaded>> {
    match config::load(path, &|name| std::env::var(name).ok()) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                say(&loaded.warnings, screen);
            }
            Ok(Some(loaded))
        }
        Err(faults) => {
            say(&faults, screen);
            Ok(None)
        }
    }
}

/// Builds and loads the plugins, or prints what is wrong with them.
pub(super) fn prepare_or_say(
    loaded: &Loaded,
    engine: &PluginEngine,
    screen: &Screen,
) -> anyhow::Result<Option<Prepared>> {
    let task = screen.task("loading plugins");
    let prepared = prepare(loaded, engine, &[], &mut |event| {
        task.now(&event.to_string());
        match event {
            BuildEvent::AddingTarget | BuildEvent::Building(_) => tracing::info!("{event}"),
            BuildEvent::Warning(_) => tracing::warn!("{event}"),
            BuildEvent::Compiled(_) => {}
        }
    });
    drop(task);
    match prepared {
        Ok(prepared) => Ok(Some(prepared)),
        Err(faults) => {
            say(&faults, screen);
            Ok(None)
        }
    }
}

/// Prints faults: with their lines on a terminal, a line each elsewhere.
pub(super) fn say(faults: &Faults, _screen: &Screen) {
    use std::io::IsTerminal;
    if std::io::stderr().is_terminal() {
        eprint!("{}", faults.graphical(true, 100));
    } else {
        eprintln!("{faults}");
    }
}

pub(super) fn apply(until: &UntilArgs, loaded: &mut Loaded) {
    for pipeline in &mut loaded.config.pipelines {
        pipeline.run_for = until.run_for.or(pipeline.run_for);
        pipeline.until_caught_up |= until.until.is_some();
        if until.run_for.is_some() || until.until.is_some() {
            pipeline.run_now();
        }
    }
}

pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the I/O runtime")
}

/// Drives the work of a verb to its end, and waits for nothing after it: a write to a locked file that no one waits for any
/// more would hold the process up for as long as the lock is held. Whatever it was about is not committed.
pub(super) fn drive<T>(runtime: tokio::runtime::Runtime, work: impl Future<Output = T>) -> T {
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Runs pipelines until they end, or a signal ends them; then prints what became of the records.
pub(super) async fn until_done(
    start: Start,
    early: Option<JoinHandle<()>>,
    format: Format,
    screen: &Screen,
) -> anyhow::Result<Exit> {
    // Before anything starts, so that no signal finds the process without a handler.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    if let Some(early) = early {
        early.abort();
    }
    let admin = match start.admin {
        Some(address) => {
            let mut listener = TcpListener::bind(address).await;
            if listener.is_err() && start.any_port {
                listener = TcpListener::bind(SocketAddr::new(address.ip(), 0)).await;
            }
            Some(listener.with_context(|| format!("cannot listen on `admin` address {address}"))?)
        }
        None => None,
    };
    let Start { load, engine, prepared, token, watch, .. } = start;
    let host = Host::start(prepared.specs.clone());
    let (triggers, triggered) = mpsc::unbounded_channel();
    let watched = Arc::default();
    let reloader = Reloader::new(load, engine.clone(), host.clone(), prepared, Arc::clone(&watched));
    tokio::spawn(reloader.serve(triggered));
    tokio::spawn(reload_on(hangup, triggers.clone()));
    if let Some(listener) = admin {
        let asks = if token.is_some() { "; asks for the `admin_token`" } else { "" };
        tracing::info!("admin address: http://{} (the live page, /metrics{asks})", listener.local_addr()?);
        tokio::spawn(web::serve(listener, token, host.clone(), triggers.clone(), engine));
    }
    if watch {
        tokio::spawn(reload::watch(watched, triggers));
    }
    let ended = async {
        while !host.has_ended() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let stopped = async {
        tokio::select! {
            () = ended => return,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: finishing what was read (again Ctrl-C: at once, losing nothing)");
        host.stop();
        let again = async {
            while !host.has_ended() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = again => {}
            _ = interrupt.recv() => std::process::exit(INTERRUPTED),
        }
    };
    screen.watch(&host, stopped).await;
    let reports = host.wait().await;
    match format {
        Format::Text => print!("{}", summary(&reports)),
        Format::Json => println!("{}", summary_json(&reports)),
    }
    Ok(if reports.iter().any(|report| report.result.is_err()) { Exit::Failed } else { Exit::Fine })
}

async fn reload_on(mut hangup: Signal, triggers: mpsc::UnboundedSender<Trigger>) {
    while hangup.recv().await.is_some() {
        let trigger = Trigger { why: "SIGHUP".to_owned(), answer: None };
        if triggers.send(trigger).is_err() {
            return;
        }
    }
}
