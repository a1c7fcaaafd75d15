//! Who may ask: whoever shows the token; where there is none, whoever is on this machine, but no page of another site that a
//! browser on it has open. And what a browser must not do with our answers.

use axum::{
    extract::{Query, Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{
            AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, WWW_AUTHENTICATE,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::page;
use crate::config::Secret;

/// Our page runs our scripts, asks only us, and is shown in no other page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What says only that the host is there.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// See the module.
#[derive(Clone)]
pub(super) struct Guard {
    /// Of the token, so that comparing takes as long whatever was sent.
    digest: Option<[u8; 32]>,
}

#[derive(Deserialize)]
struct Shown {
    token: Option<String>,
}

impl Guard {
    pub fn new(token: Option<&Secret>) -> Self {
        Self { digest: token.map(|token| digest(token.exposed())) }
    }

    /// Why a request is refused.
    fn refuses(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let path = request.uri().path();
        if OPEN.contains(&path) || page::is_asset(path) {
            return None;
        }
        let headers = request.headers();
        let host = text(headers, HOST);
        let has_shown = |digest: [u8; 32]| shown(request).is_some_and(|shown| self::digest(&shown) == digest);
        match self.digest {
            Some(digest) if has_shown(digest) => {}
            Some(_) => {
                let hint = "this host asks for its `admin_token`: send `Authorization: Bearer …`, or add `?token=…` to \
                            the address in a browser\n";
                return Some((StatusCode::UNAUTHORIZED, hint));
            }
            None if is_this_machine(host) => {}
            // Another name that was made to lead here is a page of another site.
            None => {
                return Some((StatusCode::FORBIDDEN, "ask for it as 127.0.0.1 or localhost, or set `admin_token`\n"));
            }
        }
        let origin = text(headers, ORIGIN);
        let same_site = origin.is_empty() || origin.split_once("://").is_some_and(|(_, origin)| origin == host);
        if request.method() != Method::GET && !same_site {
            return Some((StatusCode::FORBIDDEN, "asked by a page of another site\n"));
        }
        None
    }
}

/// Lets through what may be asked.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.refuses(&request) {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    };
    let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"millstream\""));
    }
    response
}

/// The token that a request shows.
fn shown(request: &Request) -> Option<String> {
    let header = text(request.headers(), AUTHORIZATION);
    if let Some(token) = header.strip_prefix("Bearer ") {
        return Some(token.trim().to_owned());
    }
    Query::<Shown>::try_from_uri(request.uri()).ok()?.0.token
}

fn text(headers: &HeaderMap, name: axum::http::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether a `Host` names this machine by an address or a name that no one else can make lead elsewhere.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(six) => six.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::body::Body;

    const TOKEN: &str = "0123456789abcdef";

    fn request(method: &str, address: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = axum::http::Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn answer(guard: &Guard, method: &str, address: &str, headers: &[(&str, &str)]) -> u16 {
        guard.refuses(&request(method, address, headers)).map_or(200, |(status, _)| status.as_u16())
    }

    #[test]
    fn without_a_token_only_this_machine_may_ask_and_no_page_of_another_site() {
        let guard = Guard::new(None);
        for host in ["127.0.0.1:8642", "localhost:1", "LOCALHOST", "[::1]:8642"] {
            assert_eq!(answer(&guard, "GET", "/events", &[("host", host)]), 200, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:80", "", "localhost.evil.example"] {
            assert_eq!(answer(&guard, "GET", "/events", &[("host", host)]), 403, "{host}");
        }
        let own = [("host", "localhost:1"), ("origin", "http://localhost:1")];
        assert_eq!(answer(&guard, "POST", "/reload", &own), 200);
        let other = [("host", "localhost:1"), ("origin", "http://evil.example")];
        assert_eq!(answer(&guard, "POST", "/reload", &other), 403);
        assert_eq!(answer(&guard, "POST", "/reload", &[("host", "localhost:1"), ("origin", "null")]), 403);
    }

    #[test]
    fn with_a_token_all_but_health_needs_it() {
        let guard = Guard::new(Some(&Secret::new(TOKEN.to_owned())));
        let bearer = format!("Bearer {TOKEN}");
        for path in ["/", "/events", "/metrics", "/pipelines", "/versions", "/status", "/tap", "/report/p", "/nothing"]
        {
            assert_eq!(answer(&guard, "GET", path, &[("host", "127.0.0.1")]), 401, "{path}");
            assert_eq!(answer(&guard, "GET", path, &[("host", "any"), ("authorization", &bearer)]), 200, "{path}");
            assert_eq!(answer(&guard, "GET", &format!("{path}?token={TOKEN}"), &[]), 200, "{path}");
            assert_eq!(answer(&guard, "GET", &format!("{path}?token=x{TOKEN}"), &[]), 401, "{path}");
        }
        assert_eq!(answer(&guard, "POST", "/reload", &[]), 401);
        assert_eq!(answer(&guard, "POST", "/reload", &[("authorization", &bearer)]), 200);
        assert_eq!(answer(&guard, "GET", "/healthz", &[]), 200);
        assert_eq!(answer(&guard, "GET", "/readyz", &[]), 200);
    }
}
