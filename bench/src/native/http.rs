//! HTTP API → format → topic, request after request, until there have been so many records.

use anyhow::{Context, Result};
use serde::Deserialize;
use uuid::Uuid;

use super::{api::ApiUser, counts::Counts, letters::Topic};

#[derive(clap::Args)]
pub struct Options {
    /// What to poll
    #[arg(long)]
    url: String,
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    topic: String,
    /// Topic for rejected records
    #[arg(long)]
    dead_letters: String,
    /// Ends after so many
    #[arg(long)]
    records: u64,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    results: Vec<&'a serde_json::value::RawValue>,
}

pub fn run(options: &Options) -> Result<Counts> {
    // Asked for by reqwest as it is built here; nothing is encrypted. An error says that there is one already.
    rustls::crypto::ring::default_provider().install_default().ok();
    tokio::runtime::Runtime::new()?.block_on(poll(options))
}

async fn poll(options: &Options) -> Result<Counts> {
    let client = reqwest::Client::new();
    let topic = Topic::new(&options.brokers, &options.topic)?;
    let letters = Topic::new(&options.brokers, &options.dead_letters)?;
    let mut counts = Counts::default();
    let mut out = Vec::new();
    while counts.consumed < options.records {
        let body = client.get(&options.url).send().await?.error_for_status()?.text().await?;
        let answer: Answer<'_> = serde_json::from_str(&body).context("the answer has no results")?;
        for document in answer.results {
            let offset = counts.consumed as i64;
            counts.consumed += 1;
            let mut id = Uuid::encode_buffer();
            let id = &*Uuid::new_v4().hyphenated().encode_lower(&mut id);
            let user = serde_json::from_str::<ApiUser<'_>>(document.get());
            match user.map_err(|_| "bad_field").and_then(|user| user.format(id)) {
                Ok(user) => {
                    out.clear();
                    serde_json::to_writer(&mut out, &user)?;
                    topic.write(id, &out)?;
                    counts.written += 1;
                }
                Err(reason) => {
                    letters.reject(document.get().as_bytes(), reason, "format", (0, offset))?;
                    counts.reject(reason);
                }
            }
        }
    }
    topic.flush()?;
    letters.flush()?;
    Ok(counts)
}
