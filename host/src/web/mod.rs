//! What the host answers about itself on its admin address: whether it lives, which versions run, and a reload by hand.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::{
    pipeline::{Handle, Host},
    reload::Trigger,
    state::Cause,
};

struct Shared {
    host: Host,
    triggers: mpsc::UnboundedSender<Trigger>,
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, host: Host, triggers: mpsc::UnboundedSender<Trigger>) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/pipelines", get(pipelines))
        .route("/versions", get(versions))
        .route("/reload", post(reload))
        .with_state(Arc::new(Shared { host, triggers }));
    axum::serve(listener, routes).await
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
            "waiting_for": figures.waiting,
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
