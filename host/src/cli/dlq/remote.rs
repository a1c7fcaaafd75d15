//! A running host, asked at its admin address to replay.

use std::net::SocketAddr;

use anyhow::Context;
use reqwest::{StatusCode, Url};

use crate::{config::Secret, pipeline::ReplayLedger, web::Asked};

/// What came of asking.
pub enum Answer {
    /// It replayed.
    Done(ReplayLedger),
    /// It did not, and says why.
    Refused(String),
    /// Nobody answers there.
    Nobody,
}

/// Asks, and waits until the replay is done.
pub async fn ask(
    admin: SocketAddr,
    token: Option<&Secret>,
    pipeline: &str,
    asked: &Asked,
    plugin: Option<Vec<u8>>,
) -> anyhow::Result<Answer> {
    // An error says that a provider was installed before, which is just as well.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder().no_proxy().build().context("cannot make an HTTP client")?;
    let mut url: Url = format!("http://{admin}/pipelines/").parse().context("cannot make the address")?;
    url.path_segments_mut()
        .map_err(|()| anyhow::anyhow!("cannot make the address"))?
        .pop_if_empty()
        .extend([pipeline, "replay"]);
    for (name, value) in [("reason", &asked.reason), ("stage", &asked.stage), ("version", &asked.version)] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url.query_pairs_mut().append_pair("dry_run", if asked.dry_run { "true" } else { "false" });
    let mut request = client.post(url).body(plugin.unwrap_or_default());
    if let Some(token) = token {
        request = request.bearer_auth(token.exposed());
    }
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Ok(Answer::Nobody),
        Err(error) => return Err(error).with_context(|| format!("the host at {admin} did not answer")),
    };
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("the answer of the host at {admin} broke off"))?;
    if status == StatusCode::OK {
        let ledger =
            serde_json::from_str(&text).with_context(|| format!("the host at {admin} is of another version"))?;
        return Ok(Answer::Done(ledger));
    }
    Ok(Answer::Refused(text.trim().to_owned()))
}
