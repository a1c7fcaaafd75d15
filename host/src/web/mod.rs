//! What the host answers at its admin address: the live page, metrics, whether it lives and is ready, which versions run, a
//! reload by hand, and replays of dead letters.
//!
//! Figures are read from the meters when somebody asks. While nobody does, nothing here runs.

mod guard;
mod metrics;
mod page;
mod process;
mod replay;
mod report;
pub mod status;
mod tap;

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::{get, post},
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, Interval, MissedTickBehavior},
};

use self::{
    guard::{Guard, guard},
    status::{State as PipelineState, Status, Told, state_of},
};
use crate::{
    config::Secret,
    pipeline::{Handle, Host, Phase},
    plugin::PluginEngine,
    reload::Trigger,
    state::Cause,
};

pub use metrics::{metrics_table, names as metric_names};

/// How often the live page hears of the host.
const EVERY: Duration = Duration::from_secs(1);
/// Pages that may be open at the same time: more than people look, and what they cost stays small.
const MAX_VIEWERS: usize = 32;
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

struct Shared {
    host: Host,
    triggers: mpsc::UnboundedSender<Trigger>,
    started: std::time::Instant,
    viewers: Arc<Semaphore>,
    engine: PluginEngine,
    reports: report::Reports,
}

pub(crate) use replay::Asked;

/// Serves until the process ends.
pub async fn serve(
    listener: TcpListener,
    token: Option<Secret>,
    host: Host,
    triggers: mpsc::UnboundedSender<Trigger>,
    engine: PluginEngine,
) -> std::io::Result<()> {
    let viewers = Arc::new(Semaphore::new(MAX_VIEWERS));
    let reports = report::Reports::default();
    let shared = Arc::new(Shared { host, triggers, engine, started: std::time::Instant::now(), viewers, reports });
    let replays = post(replay::replay).layer(DefaultBodyLimit::max(replay::MAX_PLUGIN_BYTES));
    let routes = Router::new()
        .route("/", get(page::page))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/events", get(events))
        .route("/pipelines", get(pipelines))
        .route("/report/{pipeline}", get(report::report))
        .route("/tap", get(tap::tap))
        .route("/versions", get(versions))
        .route("/reload", post(reload))
        .route("/pipelines/{pipeline}/replay", replays);
    let routes = page::assets(routes)
        .layer(middleware::from_fn_with_state(Guard::new(token.as_ref()), guard))
        .with_state(shared);
    axum::serve(listener, routes).await
}

/// Whether all pipelines are open and none is paused: 200, or 503 with those that are not.
async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let mut not_ready = Vec::new();
    for handle in shared.host.handles() {
        let activity = handle.meter.activity();
        let (state, _) = state_of(&handle.meter.figures(), &activity);
        let is_ready = match activity.phase {
            Phase::Running => state != PipelineState::Paused,
            Phase::Ended => true,
            Phase::Opening | Phase::Failed => false,
        };
        if !is_ready {
            // Without the reason, which may name servers: nobody has shown a token.
            not_ready.push(json!({ "pipeline": handle.name, "state": state }));
        }
    }
    if not_ready.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(not_ready)).into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    ([(CONTENT_TYPE, PROMETHEUS)], metrics::render(&shared.host, shared.started)).into_response()
}

/// What the live page is told, once.
async fn status(State(shared): State<Arc<Shared>>) -> Response {
    Json(Status::now(&shared.host, shared.started, &mut Told::default())).into_response()
}

/// What the live page is told, once a second, for as long as it is open.
async fn events(State(shared): State<Arc<Shared>>) -> Response {
    let Ok(viewer) = shared.viewers.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are open\n").into_response();
    };
    let mut ticks = tokio::time::interval_at(Instant::now(), EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let next = async |(shared, mut ticks, mut told, viewer): (Arc<Shared>, Interval, Told, _)| {
        ticks.tick().await;
        let status = Status::now(&shared.host, shared.started, &mut told);
        // Fails for no status: all its keys are texts.
        let event = Event::default().json_data(status).unwrap_or_default();
        Some((Ok::<_, Infallible>(event), (shared, ticks, told, viewer)))
    };
    // Dropped, and with it all that it costs, when the page is closed.
    Sse::new(futures::stream::unfold((shared, ticks, Told::default(), viewer), next)).into_response()
}

/// The conservation meter of each pipeline, since it first ran, and what it waits for.
async fn pipelines(State(shared): State<Arc<Shared>>) -> Response {
    let causes = |counts: &BTreeMap<Cause, u64>| -> Vec<_> {
        let one = |(cause, records): (&Cause, &u64)| json!({ "stage": cause.stage, "reason": cause.reason, "records": records });
        counts.iter().map(one).collect()
    };
    let one = |handle: &Handle| {
        let figures = handle.meter.figures();
        let totals = &figures.totals;
        json!({
            "pipeline": handle.name,
            "consumed": totals.consumed,
            "split": totals.split,
            "written": totals.written,
            "dropped": causes(&totals.dropped),
            "dead_lettered": causes(&totals.dead_lettered),
            "unaccounted_for": i64::try_from(totals.drift()).unwrap_or(i64::MAX),
            "lag": figures.lag,
            "attempts_repeated": figures.retries,
            "waiting_for": figures.waiting(),
            "schedule": handle.schedule.as_ref().map(|(schedule, runs)| json!({
                "at": schedule.to_string(),
                "next": runs.next_ms.map(|next_ms| schedule.shown(next_ms)),
                "next_ms": runs.next_ms,
                "begun": runs.begun,
                "failed": runs.failed,
                "skipped": runs.skipped,
            })),
            "swaps": handle.control.figures(),
        })
    };
    Json(shared.host.handles().iter().map(one).collect::<Vec<_>>()).into_response()
}

/// Which versions of which plugins have run since which offset, by pipeline.
async fn versions(State(shared): State<Arc<Shared>>) -> Response {
    let all = shared.host.handles();
    let all: Vec<_> =
        all.iter().map(|handle| json!({ "pipeline": handle.name, "versions": handle.versions.entries() })).collect();
    Json(all).into_response()
}

/// Reads configuration and plugins again, and answers with what happened: 200 where what was read runs, 409 where some
/// of it was refused and what ran before goes on.
async fn reload(State(shared): State<Arc<Shared>>) -> Response {
    let (answer, outcome) = oneshot::channel();
    let trigger = Trigger { why: "asked for at the admin address".to_owned(), answer: Some(answer) };
    // Fails only while the host stops.
    let _ = shared.triggers.send(trigger);
    match outcome.await {
        Ok(outcome) if outcome.took_effect() => Json(outcome).into_response(),
        Ok(outcome) => (StatusCode::CONFLICT, Json(outcome)).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the host is stopping\n").into_response(),
    }
}
