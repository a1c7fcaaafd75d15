//! `millstream demo`: both pipelines on made-up users, with nothing to install.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{DemoArgs, Exit, UntilArgs, check::Format, progress::Screen, run};
use crate::{
    config::{self, Config, SourceEndpoint},
    pipeline::PipelineSpec,
    random_user::{Faults, serve},
    reload::Load,
};

/// Users per request and time between requests: enough to watch, little enough to read.
const USERS: usize = 50;
const EVERY: Duration = Duration::from_millis(500);
/// Some users are wrong, so that there is something to see in the dead letters.
const FAULTS: Faults =
    Faults { no_email: 0.01, no_registered: 0.01, bad_email: 0.01, bad_gender: 0.01, repeated_email: 0.02 };

/// Runs it.
pub fn demo(args: DemoArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let runtime = run::runtime()?;
    if args.serve_only {
        return run::drive(runtime, serve_only(&args));
    }
    let path = &args.config.config;
    if !path.exists() {
        eprintln!(
            "error: there is no `{}` here; run the demo in a folder that has one, such as a checkout of Millstream",
            path.display()
        );
        return Ok(Exit::Usage);
    }
    let listener = if args.live { None } else { Some(runtime.block_on(bind(args.listen))?) };
    let url = match &listener {
        Some(listener) => Some(format!("http://{}/api/?results={USERS}", listener.local_addr()?)),
        None => None,
    };
    let (path, run_for) = (path.clone(), args.run_for);
    let load: Load = Box::new(move || {
        let mut loaded = config::load(&path, &|name| std::env::var(name).ok())?;
        run::apply(&UntilArgs { run_for, until: None }, &mut loaded);
        if let Some(url) = &url {
            poll_instead(&mut loaded.config, url);
        }
        Ok(loaded)
    });
    let early = run::end_early(&runtime);
    let Some(start) = run::start_or_say(load, true, screen)? else { return Ok(Exit::Usage) };
    let is_fed = |spec: &PipelineSpec| matches!(spec.config.source.endpoint, SourceEndpoint::Http(_));
    if listener.is_some() && !start.specs().iter().any(is_fed) {
        eprintln!("error: `{}` has no http source that the demo could feed", args.config.config.display());
        return Ok(Exit::Usage);
    }
    run::drive(runtime, async {
        if let Some(listener) = listener {
            tracing::info!("serving made-up users on http://{}/api/", listener.local_addr()?);
            tokio::spawn(serve(listener, args.seed, FAULTS));
        }
        run::until_done(start.with_admin(), early, Format::Text, screen).await
    })
}

/// Points http sources at the demo's own server.
fn poll_instead(config: &mut Config, url: &str) {
    for pipeline in &mut config.pipelines {
        if let SourceEndpoint::Http(http) = &mut pipeline.source.endpoint {
            url.clone_into(&mut http.url);
            url.clone_into(&mut pipeline.source.display);
            http.every = EVERY;
        }
    }
}

async fn serve_only(args: &DemoArgs) -> anyhow::Result<Exit> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let listener = bind(args.listen).await?;
    println!("serving made-up users on http://{}/api/?results=10", listener.local_addr()?);
    tokio::select! {
        served = serve(listener, args.seed, FAULTS) => served.context("the server ended")?,
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(Exit::Fine)
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}
