//! What the host answers about itself on its admin address: whether it lives, which versions run, and a reload by hand.

use std::sync::Arc;

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

use crate::{pipeline::Host, reload::Trigger};

struct Shared {
    host: Host,
    triggers: mpsc::UnboundedSender<Trigger>,
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, host: Host, triggers: mpsc::UnboundedSender<Trigger>) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/versions", get(versions))
        .route("/reload", post(reload))
        .with_state(Arc::new(Shared { host, triggers }));
    axum::serve(listener, routes).await
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
