//! Engines that do not answer: tried again, said so, and no hindrance to a stop.

use std::{net::TcpListener, time::Duration};

use millstream_tests::{
    process::{Folder, PATIENCE, STOP, Signal},
    service,
};

use super::FROM_GENERATOR;
use crate::engines::unique;

/// A pipeline that cannot begin says why, tries again, and ends in order when it is told to.
#[track_caller]
fn retried(config: &str, words: &[&str]) {
    let folder = Folder::with(config);
    let process = folder.start(&["run"]);
    process.until_it_says(words, PATIENCE);
    process.until_it_says(&["trying again"], PATIENCE);
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost: 0 consumed"]);
}

fn cassandra_at(address: &str) -> String {
    let create = "create = { columns = { email = \"text\" } }";
    format!("{FROM_GENERATOR}sink = {{ url = \"cassandra://{address}/k.t\", {create} }}")
}

#[test]
fn an_unreachable_broker_of_the_source_is_retried() {
    let config = "[[pipeline]]\nname = \"p\"\ndead_letters = { url = \"file:dead.jsonl\" }\n\
                  source = { url = \"kafka://127.0.0.1:1/x\" }\nsink = { url = \"discard:\" }\n";
    retried(config, &["source `kafka://127.0.0.1:1/x`", "127.0.0.1:1", "check that the broker runs"]);
}

#[test]
fn an_unreachable_broker_of_the_sink_is_retried() {
    let config = format!("{FROM_GENERATOR}sink = {{ url = \"kafka://127.0.0.1:1/x\" }}");
    retried(&config, &["sink `kafka://127.0.0.1:1/x`", "no answer from broker 127.0.0.1:1"]);
}

#[test]
fn a_cassandra_that_is_down_is_retried() {
    retried(&cassandra_at("127.0.0.1:1"), &["sink `cassandra://127.0.0.1:1/k.t`", "Connection refused"]);
}

#[test]
fn a_broker_that_never_answers_does_not_hold_up_a_stop() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let broker = silent.local_addr().expect("an address");
    let folder = Folder::with(&format!("{FROM_GENERATOR}sink = {{ url = \"kafka://{broker}/x\" }}"));
    let process = folder.start(&["run"]);
    let (_connection, _) = silent.accept().expect("millstream connects");
    // Nothing is under way, so nothing is waited for, the time that a broker has to answer included.
    process.stop(Signal::Terminate, Duration::from_secs(3)).assert(0, &["nothing lost: 0 consumed"]);
}

#[test]
fn a_cassandra_that_never_answers_does_not_hold_up_a_stop() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let folder = Folder::with(&cassandra_at(&silent.local_addr().expect("an address").to_string()));
    let process = folder.start(&["run"]);
    let (_connection, _) = silent.accept().expect("millstream connects");
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost: 0 consumed"]);
}

#[test]
fn a_topic_that_is_not_there_yet_is_waited_for() {
    let Some(broker) = service("kafka") else { return };
    let topic = unique("later");
    let url = format!("kafka://{broker}/{topic}");
    let reader = Folder::with(&format!(
        "[[pipeline]]\nname = \"p\"\ndead_letters = {{ url = \"file:dead.jsonl\" }}\nsource = {{ url = \"{url}\" }}\n\
         sink = {{ url = \"file:out.jsonl\" }}\n"
    ));
    let mut process = reader.start(&["run"]);
    process.until_it_says(&[&format!("topic `{topic}` does not exist"), "trying again"], PATIENCE);
    let writer = Folder::with(&format!("{FROM_GENERATOR}sink = {{ url = \"{url}\" }}"));
    writer.run(&["run"]).assert(0, &["nothing lost: 300 consumed = 300 written"]);
    process.until("300 records", PATIENCE, || reader.json_lines("out.jsonl").len() == 300);
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost: 300 consumed = 300 written"]);
}
