//! HTTP answers that are no data: reported, asked for again, and nothing of them stored.

use std::time::Duration;

use millstream_tests::process::{Folder, PATIENCE, STOP, Signal};

use crate::server::{Answer, Server};

const GOOD: &str = r#"{"results":[{"a":1},{"a":2}]}"#;

fn polling(server: &Server) -> Folder {
    Folder::with(&format!(
        "[[pipeline]]\nname = \"p\"\nuntil = \"caught-up\"\ndead_letters = {{ url = \"file:dead.jsonl\" }}\n\
         source = {{ url = \"{}\", split = \"/results\", retry_max_delay = \"20ms\" }}\n\
         sink = {{ url = \"file:out.jsonl\" }}\n",
        server.url
    ))
}

/// One bad answer, then good ones.
#[track_caller]
fn recovers_from(bad: Answer, words: &[&str]) {
    let server = Server::start(vec![bad, Answer::json(GOOD)]);
    let folder = polling(&server);
    let ended = folder.run(&["run"]);
    ended.assert(
        0,
        &[
            "the poll failed: ",
            "1 attempts were repeated",
            "nothing lost: 2 consumed = 2 written + 0 dropped + 0 dead-",
        ],
    );
    ended.assert(0, words);
    assert_eq!(folder.read("out.jsonl"), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn an_http_500_is_asked_again() {
    let answer = Answer { status: "500 Internal Server Error", headers: "", body: "out of order" };
    recovers_from(answer, &["answered 500", "out of order"]);
}

#[test]
fn a_page_instead_of_json_is_asked_again() {
    let answer = Answer { status: "200 OK", headers: "Content-Type: text/html\r\n", body: "<html>maintenance</html>" };
    recovers_from(answer, &["not JSON", "<html>maintenance"]);
}

#[test]
fn json_without_the_records_is_asked_again() {
    recovers_from(Answer::json(r#"{"error":"no users today"}"#), &["/results"]);
}

#[test]
fn an_answer_that_ends_early_is_asked_again() {
    let answer =
        Answer { status: "200 OK", headers: "X-Torn: 1\r\nContent-Length: 999\r\n", body: "{\"results\":[{\"a\":0}," };
    recovers_from(answer, &[]);
}

#[test]
fn a_server_that_asks_for_time_is_given_it() {
    let answer = Answer { status: "429 Too Many Requests", headers: "Retry-After: 1\r\n", body: "" };
    let server = Server::start(vec![answer, Answer::json(GOOD)]);
    let folder = polling(&server);
    folder.run(&["run"]).assert(0, &["answered 429", "nothing lost: 2 consumed = 2 written"]);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    let waited = requests[1] - requests[0];
    assert!(waited >= Duration::from_secs(1), "it asked again after {waited:?}, not the second that was asked for");
}

#[test]
fn a_long_time_that_a_server_asks_for_does_not_hold_up_a_stop() {
    let answer = Answer { status: "503 Service Unavailable", headers: "Retry-After: 3600\r\n", body: "" };
    let server = Server::start(vec![answer]);
    let folder = polling(&server);
    let process = folder.start(&["run"]);
    process.until_it_says(&["answered 503", "trying again in 1h"], PATIENCE);
    process
        .stop(Signal::Terminate, STOP)
        .assert(0, &["nothing lost: 0 consumed", "it was waiting when it ended", "answered 503"]);
    assert_eq!(server.requests().len(), 1);
}
