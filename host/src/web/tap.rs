//! `/tap`: records of a stage, a JSON object per line, until there were enough or nobody reads them any more.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Shared;
use crate::transform::{Filter, Tap, Tapped};

/// An empty line now and then, so that a reader who has gone is noticed.
const QUIET: Duration = Duration::from_secs(2);
/// Unless another limit is asked for; `0` is none.
const LIMIT: u64 = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    stage: String,
    pipeline: Option<String>,
    filter: Option<String>,
    limit: Option<u64>,
    /// The guard has looked at it.
    #[serde(rename = "token")]
    _token: Option<String>,
}

struct Tapping {
    _tap: Arc<Tap>,
    from: mpsc::Receiver<Tapped>,
    left: Option<u64>,
    _viewer: OwnedSemaphorePermit,
}

pub(super) async fn tap(State(shared): State<Arc<Shared>>, Query(wanted): Query<Wanted>) -> Response {
    let refuse = |status: StatusCode, why: String| (status, why + "\n").into_response();
    let all: Vec<(String, String)> = shared
        .host
        .handles()
        .iter()
        .flat_map(|handle| {
            handle.control.stages().into_iter().map(|stage| (handle.name.clone(), stage.name.stage.to_string()))
        })
        .collect();
    let fits = |(pipeline, stage): &&(String, String)| {
        *stage == wanted.stage && wanted.pipeline.as_ref().is_none_or(|wanted| wanted == pipeline)
    };
    let found: Vec<_> = all.iter().filter(fits).collect();
    let listed = || all.iter().map(|(pipeline, stage)| format!("{pipeline}/{stage}")).collect::<Vec<_>>().join(", ");
    let [(pipeline, stage)] = found.as_slice() else {
        let problem = if found.is_empty() { "there is no such stage" } else { "several pipelines have that stage" };
        return refuse(StatusCode::NOT_FOUND, format!("{problem}; there are: {}", listed()));
    };
    let Ok(viewer) = shared.viewers.clone().try_acquire_owned() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many are looking already".to_owned());
    };
    let (tap, from) = Tap::open(pipeline, stage, Filter::parse(wanted.filter.as_deref().unwrap_or_default()));
    let left = Some(wanted.limit.unwrap_or(LIMIT)).filter(|limit| *limit > 0);
    let tapping = Tapping { _tap: tap, from, left, _viewer: viewer };
    let lines = futures::stream::unfold(tapping, async |mut tapping| {
        if tapping.left == Some(0) {
            return None;
        }
        let mut line = match tokio::time::timeout(QUIET, tapping.from.recv()).await {
            Ok(tapped) => {
                tapping.left = tapping.left.map(|left| left - 1);
                // Fails for none: all its keys are texts.
                serde_json::to_vec(&tapped?).unwrap_or_default()
            }
            Err(_) => Vec::new(),
        };
        line.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(line)), tapping))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
