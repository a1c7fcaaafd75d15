//! `millstream demo` as in the README: both pipelines of the shipped configuration, with nothing to install.

use std::{net::SocketAddr, time::Duration};

use millstream_tests::process::{Ended, Folder, PATIENCE, Process, STOP, Signal, repository};
use rusqlite::{Connection, OptionalExtension};

use crate::server::get;

/// Besides its five seconds it may have to build the plugins.
const DEMO: Duration = Duration::from_secs(600);

/// The shipped configuration in a folder of its own.
fn shipped() -> Folder {
    let text = std::fs::read_to_string(repository().join("pipeline.toml")).expect("reading pipeline.toml");
    let plugins = format!("plugin = \"{}/plugins/", repository().display());
    Folder::with(&text.replace("plugin = \"plugins/", &plugins))
}

fn demo(folder: &Folder, arguments: &[&str]) -> Ended {
    let ended = folder.start(&[&["demo", "--for", "5s"], arguments].concat()).wait(DEMO);
    ended.assert(0, &["ingest", "store", "log:users_created -> sqlite:.millstream/spark_streams.db/created_users"]);
    assert_eq!(ended.stdout.matches("nothing lost: ").count(), 2, "{}", ended.output());
    ended
}

fn stored(folder: &Folder) -> i64 {
    let database = Connection::open(folder.path(".millstream/spark_streams.db")).expect("opening the database");
    database.query_row("SELECT count(*) FROM created_users", [], |row| row.get(0)).expect("counting rows")
}

/// How many records the pipelines have consumed since they first ran, by the summary.
fn consumed(ended: &Ended) -> Vec<u64> {
    let lines = ended.stdout.lines().filter_map(|line| line.trim().strip_prefix("nothing lost: "));
    let numbers = lines.map(|line| line.split(' ').next().expect("a number").replace(',', ""));
    numbers.map(|number| number.parse().expect("a number")).collect()
}

#[test]
fn the_demo_stores_users_and_the_next_one_goes_on_from_there() {
    let folder = shipped();
    let first = demo(&folder, &["--seed", "1"]);
    let rows = stored(&folder);
    assert!(rows >= 50, "only {rows} rows:\n{}", first.output());
    let database = Connection::open(folder.path(".millstream/spark_streams.db")).expect("opening the database");
    let whole =
        "SELECT 1 FROM created_users WHERE id <> '' AND email LIKE '%@%' AND first_name <> '' AND address <> ''";
    assert!(database.query_row(whole, [], |_| Ok(())).optional().expect("the table's columns").is_some());
    let second = demo(&folder, &["--seed", "2"]);
    assert!(stored(&folder) > rows, "no rows were added:\n{}", second.output());
    for (before, after) in consumed(&first).iter().zip(consumed(&second)) {
        assert!(*before > 0 && after > *before, "the totals do not go on:\n{}\n{}", first.stdout, second.stdout);
    }
}

#[test]
fn the_demo_without_a_configuration_says_where_to_run_it() {
    let folder = Folder::with("");
    std::fs::remove_file(folder.path("pipeline.toml")).expect("deleting the configuration");
    folder.run(&["demo", "--for", "1s"]).assert(2, &["there is no `pipeline.toml` here", "a checkout of Millstream"]);
}

#[test]
fn the_demo_of_a_configuration_without_http_says_that_it_cannot_feed_it() {
    let folder =
        Folder::with("[[pipeline]]\nname = \"p\"\nsource = { url = \"log:users\" }\nsink = { url = \"discard:\" }\n");
    folder.run(&["demo", "--for", "1s"]).assert(2, &["`pipeline.toml` has no http source"]);
}

/// A server of users, and its address.
fn serving(folder: &Folder) -> (Process, SocketAddr) {
    let process = folder.start(&["demo", "--serve-only"]);
    process.until_it_says(&["serving made-up users on http://", "/api/?results=10\n"], PATIENCE);
    let output = process.output();
    let (_, address) = output.split_once("http://").expect("an address");
    let (address, _) = address.split_once('/').expect("a path");
    (process, address.parse().expect("an address"))
}

#[test]
fn serving_alone_answers_as_the_real_service_does() {
    let folder = Folder::with("");
    let (process, address) = serving(&folder);
    let answer: serde_json::Value = serde_json::from_str(&get(address, "/api/?results=3")).expect("JSON");
    assert_eq!(answer["results"].as_array().expect("a list").len(), 3);
    assert_eq!(answer["info"]["results"], 3);
    assert!(answer["results"][0]["login"]["uuid"].is_string());
    process.stop(Signal::Interrupt, STOP).assert(0, &[]);
}

#[test]
fn serving_alone_ends_in_order_when_it_is_told_to() {
    let folder = Folder::with("");
    let (process, _) = serving(&folder);
    process.stop(Signal::Terminate, STOP).assert(0, &[]);
}
