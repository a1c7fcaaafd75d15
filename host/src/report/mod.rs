//! `millstream report`: what is in the table that a pipeline writes, and what did not get there.
//!
//! In goes the address of a table ([`Place`]), out comes a [`Report`], as a text, as JSON or as one HTML file. The rows are
//! streamed and counted in bounded memory, so that a table of any size can be reported on whole; both engines give the
//! same numbers. Nothing here writes to a table, a topic or a pipeline's state.

mod cassandra;
mod counts;
mod dead_letters;
mod html;
mod json;
mod live;
mod places;
mod series;
mod sqlite;
mod tally;
mod text;
mod words;

use std::{
    path::PathBuf,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use counts::Counts;
pub use dead_letters::Letters;
pub use html::html;
pub use json::json;
pub use live::live;
pub use places::{Place, address, places, usual_place};
pub use series::Series;
pub use tally::{Column, Contents, Dates, Domains, Missing, Tally, Value};
pub use text::text;
pub use words::thousands;

use crate::{config::SinkEndpoint, sink::OpenContext};

/// How long each step of connecting, and each page, may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long one of several hosts may take that are tried one after the other.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);

/// Hears how many rows have been read.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// What is reported of one table.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its address, without secrets.
    pub table: String,
    /// When it was read, in Unix milliseconds.
    pub taken_ms: i64,
    /// How many rows were to be read at most.
    pub limit: Limit,
    /// What is in it.
    pub contents: Contents,
    /// What became of the records of the pipelines of its configuration; empty where no configuration was named.
    pub letters: Vec<Letters>,
}

/// Why a table cannot be reported on.
#[derive(Debug, thiserror::Error)]
#[error("{message}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct Failed {
    /// What was attempted and what came of it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failed {
    fn new(message: String, hint: &str) -> Self {
        Self { message, hint: Some(hint.to_owned()) }
    }
}

/// How many rows are read at most: a number, or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(Option<u64>);

impl Limit {
    /// All rows.
    pub const ALL: Self = Self(None);

    /// That many.
    pub fn of(rows: u64) -> Self {
        Self(Some(rows))
    }

    /// The number; `None` for all.
    pub fn rows(self) -> Option<u64> {
        self.0
    }

    fn is_reached(self, rows: u64) -> bool {
        self.0.is_some_and(|most| rows >= most)
    }
}

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::ALL),
            number => match number.parse() {
                Ok(rows @ 1..) => Ok(Self::of(rows)),
                _ => Err("give a number of rows, or `all`"),
            },
        }
    }
}

/// Reads a table. Of several addresses the first that answers is the one.
pub async fn read(place: &Place, limit: Limit, progress: Progress<'_>) -> Result<Report, Failed> {
    let mut refusals = Vec::new();
    for (display, endpoint) in &place.tables {
        match contents(display, endpoint, place.tables.len() > 1, limit, progress).await {
            Ok(contents) => {
                let letters = dead_letters::letters(&place.pipelines)?;
                return Ok(Report { table: display.clone(), taken_ms: now_ms(), limit, contents, letters });
            }
            Err(failed) => refusals.push((display, failed)),
        }
    }
    match refusals.pop() {
        Some((display, failed)) if refusals.is_empty() => {
            Err(Failed { message: format!("`{display}`: {}", failed.message), hint: failed.hint })
        }
        last => {
            let tried: Vec<String> = refusals.into_iter().chain(last).map(|(_, failed)| failed.message).collect();
            let hint = "name a configuration, or a table such as `cassandra://host:9042/keyspace.table`";
            Err(Failed::new(format!("none of the usual hosts has the table: {}", tried.join("; ")), hint))
        }
    }
}

async fn contents(
    display: &str,
    endpoint: &SinkEndpoint,
    is_one_of_many: bool,
    limit: Limit,
    progress: Progress<'_>,
) -> Result<Contents, Failed> {
    match endpoint {
        SinkEndpoint::Sqlite(config) => tokio::task::block_in_place(|| sqlite::read(config, limit, now_ms(), progress)),
        SinkEndpoint::Cassandra(config) => {
            let context = OpenContext {
                pipeline: "report".into(),
                display: display.to_owned(),
                data_dir: PathBuf::new(),
                dead_letters: false,
                timeout: if is_one_of_many { TRY_TIMEOUT } else { TIMEOUT },
            };
            cassandra::read(config, &context, limit, &now_ms, progress).await
        }
        _ => Err(Failed::new(format!("`{display}` is no table"), "name a table of Cassandra or SQLite")),
    }
}

/// Whether the values of a column matter, and not only whether they are there.
fn is_looked_into(column: &str) -> bool {
    ["registered_date", "gender", "email"].contains(&column)
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
