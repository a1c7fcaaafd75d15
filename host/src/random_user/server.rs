//! A stand-in for <https://randomuser.me/api/>, on a socket that the caller has bound (to the loopback, for the demo).
//!
//! `GET /api/?results=N` answers with N users that no earlier call had; `seed=S` (with `page`) gives the same users
//! each time. What the real API would take beyond that is refused with 400 rather than ignored.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::{Faults, text, write_faulty_user};

/// As in the real API.
const MAX_RESULTS: u32 = 5000;

struct Shared {
    seed: u64,
    faults: Faults,
    /// Users handed out to calls without a seed of their own.
    served: AtomicU64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    results: Option<u32>,
    page: Option<u32>,
    seed: Option<String>,
}

/// Answers until it is dropped.
pub async fn serve(listener: tokio::net::TcpListener, seed: u64, faults: Faults) -> std::io::Result<()> {
    let shared = Arc::new(Shared { seed, faults, served: AtomicU64::new(0) });
    let routes = Router::new().route("/api", get(users)).route("/api/", get(users));
    // As a host answers it, for `millstream health --live`.
    let routes = routes.route("/healthz", get(async || "ok\n")).with_state(shared);
    axum::serve(listener, routes).await
}

async fn users(State(shared): State<Arc<Shared>>, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let wanted = match wanted {
        Ok(Query(wanted)) => wanted,
        Err(refused) => return bad_request(&format!("{refused}; known are results, page and seed")),
    };
    let (results, page) = (wanted.results.unwrap_or(1), wanted.page.unwrap_or(1));
    if !(1..=MAX_RESULTS).contains(&results) {
        return bad_request(&format!("results is {results}; it must be from 1 to {MAX_RESULTS}"));
    }
    if page == 0 {
        return bad_request("page is 0; pages count from 1");
    }
    let (seed, name, first) = match wanted.seed {
        Some(name) => (number_of(&name), name, u64::from(page - 1) * u64::from(results)),
        None => {
            let first = shared.served.fetch_add(u64::from(results), Ordering::Relaxed);
            (shared.seed, format!("{:016x}", number_of(&format!("{} {first}", shared.seed))), first)
        }
    };
    let body = answer(seed, &name, first, results, page, &shared.faults);
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

fn answer(seed: u64, name: &str, first: u64, results: u32, page: u32, faults: &Faults) -> Vec<u8> {
    let mut body = Vec::with_capacity(results as usize * 1200 + 128);
    body.extend_from_slice(b"{\"results\":[");
    for n in 0..u64::from(results) {
        if n > 0 {
            body.push(b',');
        }
        write_faulty_user(seed, first + n, faults, &mut body);
    }
    body.extend_from_slice(b"],\"info\":{\"seed\":");
    // the seed is the caller's text, so it may hold anything
    body.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
    body.extend_from_slice(b",\"results\":");
    text::number(&mut body, results);
    body.extend_from_slice(b",\"page\":");
    text::number(&mut body, page);
    body.extend_from_slice(b",\"version\":\"1.3\"}}");
    body
}

/// A seed's text as a number: FNV-1a, whose values never change.
fn number_of(seed: &str) -> u64 {
    seed.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn bad_request(why: &str) -> Response {
    let body = serde_json::json!({ "error": why }).to_string();
    (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Status and body of a GET, by hand: the test needs no client.
    async fn get(address: std::net::SocketAddr, path: &str) -> (u16, Value) {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    async fn start(faults: Faults) -> std::net::SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, 7, faults));
        address
    }

    fn uuids(answer: &Value) -> Vec<String> {
        let results = answer["results"].as_array().unwrap();
        results.iter().map(|user| user["login"]["uuid"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn every_call_gives_new_users_and_a_seed_gives_the_same() {
        let address = start(Faults::default()).await;
        let mut seen = HashSet::new();
        for results in [10, 1, 5000] {
            let (status, answer) = get(address, &format!("/api/?results={results}")).await;
            assert_eq!(status, 200);
            assert_eq!(answer["info"]["results"], results);
            assert_eq!(answer["info"]["version"], "1.3");
            assert_eq!(uuids(&answer).len(), results);
            assert!(uuids(&answer).into_iter().all(|uuid| seen.insert(uuid)));
        }
        let one = get(address, "/api/?results=3&seed=a%22b").await.1;
        assert_eq!(one, get(address, "/api?seed=a%22b&results=3").await.1);
        assert_eq!(one["info"]["seed"], "a\"b");
        assert_ne!(uuids(&one), uuids(&get(address, "/api/?results=3&seed=a%22b&page=2").await.1));
        assert_eq!(get(address, "/api/").await.1["results"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn nonsense_is_answered_with_400_and_why() {
        let address = start(Faults::default()).await;
        for query in ["results=0", "results=5001", "results=ten", "results=-1", "page=0", "nat=gb"] {
            let (status, answer) = get(address, &format!("/api/?{query}")).await;
            assert_eq!(status, 400, "{query}");
            assert!(!answer["error"].as_str().unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn faults_come_in_about_the_share_asked_for() {
        let address = start(Faults::share(0.10)).await;
        let answer = get(address, "/api/?results=5000").await.1;
        let users = answer["results"].as_array().unwrap();
        let count = |fault: fn(&Value) -> bool| users.iter().filter(|user| fault(user)).count();
        for found in [
            count(|user| user.get("email").is_none()),
            count(|user| user.get("registered").is_none()),
            count(|user| user["email"].as_str().is_some_and(|email| !email.contains('@'))),
            count(|user| user["gender"] == "unknown"),
        ] {
            assert!((60..140).contains(&found), "{found} of 5000, not about 100");
        }
    }
}
