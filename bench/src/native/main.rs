//! The program that Millstream is compared with: what a good Rust developer would write for the same work.
//!
//! It reads records, checks them by the notebook's rules, leaves out those whose id it has seen, and writes the rest.
//! Rejected records go to a topic with the reason. There is no sandbox, nothing can be swapped, and nothing is durable:
//! what it has seen is a hash set, and offsets are committed by librdkafka now and then. In the end it prints what became
//! of the records as one JSON object.

mod api;
mod cassandra;
mod counts;
mod file;
mod http;
mod kafka;
mod letters;
mod rules;
mod scanner;
mod store;
mod user;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(name = "native", about = "The native program that Millstream is compared with", version)]
struct Arguments {
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Topic → validate → dedup → nothing, or a table; ends with the topic
    Kafka(kafka::Options),
    /// File of raw API documents → format → validate → dedup → nothing
    File {
        /// A document in each line
        input: PathBuf,
    },
    /// HTTP API → format → topic; ends after so many records
    Http(http::Options),
}

/// How a record is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Parse {
    /// By serde_json into a struct of `String`s, as most programs do
    Owned,
    /// By serde_json into a struct that borrows from the record: the cheapest that serde_json gives
    Borrowed,
    /// By Millstream's own scanner, for the four fields that the rules need
    Scanner,
    /// Not at all: what the Kafka client alone costs
    Nothing,
}

fn main() -> Result<()> {
    let counts = match Arguments::parse().work {
        Work::Kafka(options) => kafka::run(&options)?,
        Work::File { input } => file::run(&input)?,
        Work::Http(options) => http::run(&options)?,
    };
    println!("{}", counts.json());
    Ok(())
}
