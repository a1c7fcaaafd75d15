//! One request: from an address to an answer that is split into records, or to the reason why there is none.
//!
//! It bounds time, size and redirects. It never retries and never logs; `mod.rs` does.

use std::{
    borrow::Cow,
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use reqwest::{
    Client, StatusCode,
    header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect,
};

use super::{
    retry_after,
    split::{SplitError, split},
};
use crate::config::HttpSource;

/// Most redirects that one request follows.
const REDIRECTS: usize = 5;
/// How much of an unexpected body a message shows, in characters.
const SHOWN: usize = 200;
const USER_AGENT: &str = concat!("millstream/", env!("CARGO_PKG_VERSION"));

/// A body and where its records stand in it.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) records: Vec<Range<usize>>,
}

/// Why a request brought no records.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(String),
    /// Not done in time.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// The server answered with something else than success.
    #[error("the server answered {status}; the answer begins: {body}")]
    Status {
        status: StatusCode,
        body: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// Larger than allowed.
    #[error("the answer is larger than `max_bytes` = {0}")]
    TooLarge(usize),
    /// It cannot be split.
    #[error("{error}; it begins: {body}")]
    Split { error: SplitError, body: String },
}

/// Makes requests; a trait, so that the polling can be tested without a network and a clock.
pub(super) trait Request: Send {
    fn request(&self) -> BoxFuture<'static, Result<Answer, RequestError>>;
}

/// The real thing.
pub(super) struct HttpRequest {
    client: Client,
    config: Arc<HttpSource>,
}

impl HttpRequest {
    /// Fails, with words for the user, where an address or header cannot be used.
    pub(super) fn new(config: &HttpSource) -> Result<Self, String> {
        // An error says that a provider was installed before, which is just as well.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in &config.headers {
            let wrong = |what: &str| format!("the {what} of header `{name}` cannot be sent");
            let header = HeaderName::try_from(name).map_err(|_| wrong("name"))?;
            let mut value = HeaderValue::try_from(value).map_err(|_| wrong("value"))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        reqwest::Url::parse(&config.url).map_err(|error| format!("the address cannot be used: {error}"))?;
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .redirect(redirects(!config.headers.is_empty()))
            .build()
            .map_err(|error| format!("cannot prepare requests: {}", chain(&error)))?;
        Ok(Self { client, config: Arc::new(config.clone()) })
    }
}

/// Headers of the configuration are secrets: they are sent to no other server than the one that they are for.
fn redirects(secrets: bool) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > REDIRECTS {
            return attempt.error(format!("more than {REDIRECTS} redirects"));
        }
        let elsewhere = attempt.previous().first().is_some_and(|first| first.origin() != attempt.url().origin());
        if secrets && elsewhere {
            return attempt.error("redirected to another server, to which `headers` are not sent");
        }
        attempt.follow()
    })
}

impl Request for HttpRequest {
    fn request(&self) -> BoxFuture<'static, Result<Answer, RequestError>> {
        let (client, config) = (self.client.clone(), self.config.clone());
        Box::pin(async move {
            match tokio::time::timeout(config.timeout, answer(&client, &config)).await {
                Ok(answer) => answer,
                Err(_) => Err(RequestError::Timeout(config.timeout)),
            }
        })
    }
}

async fn answer(client: &Client, config: &HttpSource) -> Result<Answer, RequestError> {
    let connection = |error: reqwest::Error| RequestError::Connection(chain(&error.without_url()));
    let response = client.get(&config.url).send().await.map_err(connection)?;
    let status = response.status();
    if !status.is_success() {
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = asked.and_then(|value| retry_after::parse(value, SystemTime::now()));
        // The status is the news; a body that cannot be read does not matter.
        let body = read(response, config.max_bytes).await.unwrap_or_default();
        return Err(RequestError::Status { status, body: beginning(&body), retry_after });
    }
    let body = read(response, config.max_bytes).await?;
    let records = match &config.split {
        Some(pointer) => {
            split(&body, pointer).map_err(|error| RequestError::Split { error, body: beginning(&body) })?
        }
        None if body.is_empty() => Vec::new(),
        None => vec![0..body.len(); 1],
    };
    Ok(Answer { body, records })
}

/// Reads a body and stops as soon as it is too large.
async fn read(mut response: reqwest::Response, max_bytes: usize) -> Result<Vec<u8>, RequestError> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if announced > max_bytes {
        return Err(RequestError::TooLarge(max_bytes));
    }
    let mut body = Vec::with_capacity(announced);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > max_bytes => return Err(RequestError::TooLarge(max_bytes)),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(RequestError::Connection(chain(&error.without_url()))),
        }
    }
}

/// The beginning of a body, fit for one line of a log.
fn beginning(body: &[u8]) -> String {
    let text: Cow<'_, str> = String::from_utf8_lossy(body.get(..SHOWN * 4).unwrap_or(body));
    text.chars().take(SHOWN).flat_map(escaped).collect()
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    let (control, plain) = if c.is_control() { (Some(c.escape_default()), None) } else { (None, Some(c)) };
    control.into_iter().flatten().chain(plain)
}

/// An error with its causes; reqwest's own words only say that something failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_body_is_short_and_on_one_line() {
        let page = format!("<html>\r\n\u{1b}[31m{}", "ü".repeat(1_000));
        let shown = beginning(page.as_bytes());
        assert!(shown.starts_with("<html>\\r\\n\\u{1b}[31mü"), "{shown}");
        assert!(!shown.contains(char::is_control) && shown.ends_with('ü'));
        assert_eq!(shown.chars().filter(|c| *c == 'ü').count(), 200 - 13);
    }
}
