//! Replays of dead letters, asked for at the admin address.

use std::{path::Path as FilePath, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::Shared;
use crate::{
    dead_letters::Which,
    pipeline::{Replacement, Replay, ReplayError, chain_of},
    plugin::Plugin,
};

/// Largest plugin that a request may bring: one with an interpreter inside has some tens of megabytes.
pub const MAX_PLUGIN_BYTES: usize = 128 << 20;

/// What is asked for, in the address; a plugin's component is the body.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// Only letters with this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only letters of this stage; the plugin, if there is one, is for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Only letters of this version of the plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Says only what would happen.
    pub dry_run: bool,
}

/// Replays, and answers with the ledger once that is done. If whoever asked goes away, so does the rest of the replay.
pub(super) async fn replay(
    State(shared): State<Arc<Shared>>,
    Path(pipeline): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    body: Bytes,
) -> Response {
    let Asked { reason, stage, version, dry_run } = match asked {
        Ok(Query(asked)) => asked,
        Err(refused) => return (StatusCode::BAD_REQUEST, format!("{refused}\n")).into_response(),
    };
    let mut replacement = None;
    if !body.is_empty() {
        let engine = shared.engine.clone();
        let compile = move || Plugin::compile(&engine, FilePath::new("the plugin that was sent"), &body);
        match tokio::task::block_in_place(compile) {
            Ok(plugin) => replacement = Some(Replacement { stage: stage.clone(), plugin }),
            Err(error) => return (StatusCode::BAD_REQUEST, format!("{}\n", chain_of(&error))).into_response(),
        }
    }
    let replay = Replay { which: Which { reason, stage, version }, replacement, dry_run };
    match shared.host.replay(&pipeline, &replay).await {
        Ok(ledger) => Json(ledger).into_response(),
        Err(error) => {
            let status = match error {
                ReplayError::NoPipeline(_) => StatusCode::NOT_FOUND,
                ReplayError::Busy(_) | ReplayError::Ended(_) => StatusCode::CONFLICT,
                ReplayError::Scan(_) => StatusCode::BAD_GATEWAY,
                _ => StatusCode::BAD_REQUEST,
            };
            (status, format!("{}\n", chain_of(&error))).into_response()
        }
    }
}
