//! Asks a running host at its admin address, for `top`, `tap` and `health`.

use std::{fmt, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::sync::mpsc;

use super::AdminArgs;
use crate::web::status::Status;

/// A host on this machine answers at once.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer, or line of one, that is taken in.
const MAX_BYTES: usize = 16 << 20;

/// Where a host answers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Admin {
    client: Client,
    base: String,
    token: Option<String>,
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.trim_start_matches("http://"))
    }
}

impl Admin {
    pub fn of(args: &AdminArgs) -> anyhow::Result<Self> {
        // As the http source does; nothing but the first one counts.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().connect_timeout(TIMEOUT).build().context("cannot make an HTTP client")?;
        let base = if args.admin.contains("://") { args.admin.clone() } else { format!("http://{}", args.admin) };
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token: args.token.clone() })
    }

    /// What the host shows of itself, once.
    pub async fn status(&self) -> anyhow::Result<Status> {
        let answer =
            tokio::time::timeout(TIMEOUT, async { self.get("/status").await?.bytes().await.context("cannot read") });
        let bytes = answer.await.with_context(|| format!("{self} does not answer"))??;
        serde_json::from_slice(&bytes).with_context(|| format!("{self} is no Millstream host of this version"))
    }

    /// Hands over what the host shows of itself, once a second, until it ends.
    pub async fn listen(&self, to: mpsc::Sender<anyhow::Result<Status>>) {
        let each = async |line: &[u8]| {
            let Some(json) = line.strip_prefix(b"data: ") else { return true };
            let status =
                serde_json::from_slice(json).with_context(|| format!("{self} is no Millstream host of this version"));
            to.send(status).await.is_ok()
        };
        let result = async { self.lines(self.get("/events").await?, each).await };
        if let Err(error) = result.await {
            // Nobody may be listening any more.
            let _ = to.send(Err(error)).await;
        }
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.ask(path, &[]).await
    }

    /// Asks for a path, with parameters.
    pub async fn ask(&self, path: &str, parameters: &[(&str, String)]) -> anyhow::Result<Response> {
        let url = Url::parse_with_params(&format!("{}{path}", self.base), parameters);
        let mut request = self.client.get(url.with_context(|| format!("`{self}` is no address"))?);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.with_context(|| {
            format!("cannot reach a host at {self}; `millstream demo` answers there, `run` where `[host]` names an `admin` address")
        })?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => {
                bail!("{self} asks for its `admin_token`; set MILLSTREAM_ADMIN_TOKEN, or give `--token`")
            }
            status => bail!("{self}: {status}: {}", answer.text().await.unwrap_or_default().trim()),
        }
    }

    /// Hands over an answer line by line, until it ends or `each` says that it is enough.
    pub async fn lines(&self, mut answer: Response, each: impl AsyncFn(&[u8]) -> bool) -> anyhow::Result<()> {
        let mut rest: Vec<u8> = Vec::new();
        while let Some(chunk) = answer.chunk().await.with_context(|| format!("the host at {self} has ended"))? {
            rest.extend_from_slice(&chunk);
            let mut begin = 0;
            while let Some(length) = rest.get(begin..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
                let line = rest.get(begin..begin + length).unwrap_or_default();
                if !each(line).await {
                    return Ok(());
                }
                begin += length + 1;
            }
            rest.drain(..begin);
            if rest.len() > MAX_BYTES {
                bail!("{self} sends a line of more than {MAX_BYTES} bytes");
            }
        }
        Ok(())
    }
}
