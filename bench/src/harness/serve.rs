//! A stand-in for the API that costs next to nothing: answers are made once and given again, until so many records are out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{Router, body::Bytes, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use tokio::net::TcpListener;

use crate::{data, engines};

/// Records in each answer.
pub const RESULTS: u64 = 1_000;
const ANSWERS: u64 = 8;
/// Who asks on when there is no more is answered after that time.
const NO_MORE: Duration = Duration::from_secs(1);

struct Shared {
    answers: Vec<Bytes>,
    given: AtomicU64,
    wanted: u64,
}

/// Prints its address and serves until it is killed.
pub fn serve(records: u64) -> Result<()> {
    let answers = (0..ANSWERS).map(answer).collect();
    let shared = Arc::new(Shared { answers, given: AtomicU64::new(0), wanted: records / RESULTS });
    engines::runtime()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the server")?;
        println!("http://{}/api/", listener.local_addr()?);
        axum::serve(listener, Router::new().route("/api/", get(next)).with_state(shared)).await?;
        Ok(())
    })
}

async fn next(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let number = shared.given.fetch_add(1, Ordering::Relaxed);
    let body = match shared.answers.get((number % ANSWERS) as usize) {
        Some(answer) if number < shared.wanted => answer.clone(),
        _ => {
            tokio::time::sleep(NO_MORE).await;
            Bytes::from_static(b"{\"results\":[]}")
        }
    };
    ([(CONTENT_TYPE, "application/json")], body)
}

fn answer(number: u64) -> Bytes {
    let mut body = b"{\"results\":[".to_vec();
    for n in 0..RESULTS {
        if n > 0 {
            body.push(b',');
        }
        data::document(number * RESULTS + n, &mut body);
    }
    body.extend_from_slice(b"]}");
    body.into()
}
