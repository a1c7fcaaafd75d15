//! The DevTools protocol over a pipe: JSON objects, each ended by a zero byte. Questions go in, each with its answer;
//! events that come meanwhile are kept.

use std::{
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, ChildStdout},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use serde_json::{Value, json};

use crate::process::PATIENCE;

/// Events that are kept; a page that makes more is one that nobody reads the events of.
const KEPT: usize = 20_000;

pub(super) struct Pipe {
    to: ChildStdin,
    from: Receiver<Value>,
    asked: u64,
    pub events: Vec<Value>,
}

impl Pipe {
    pub fn new(to: ChildStdin, from: ChildStdout) -> Self {
        let (messages, received) = channel();
        // Ends with the browser, or once nobody listens.
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut bytes = Vec::new();
            while from.read_until(0, &mut bytes).is_ok_and(|read| read > 0) {
                bytes.pop();
                let message = serde_json::from_slice(&bytes).expect("the browser speaks JSON");
                bytes.clear();
                if messages.send(message).is_err() {
                    return;
                }
            }
        });
        Self { to, from: received, asked: 0, events: Vec::new() }
    }

    /// Asks the browser, or one of its pages; fails the test where that is refused.
    pub fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": params });
        if let Some(session) = session {
            question["sessionId"] = session.into();
        }
        let mut bytes = question.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap_or_else(|error| panic!("chromium has gone: {error}"));
        loop {
            let message =
                self.receive(PATIENCE).unwrap_or_else(|error| panic!("{method}: chromium says nothing: {error}"));
            if message["id"] == self.asked {
                assert_eq!(message["error"], Value::Null, "{method} was refused");
                return message["result"].clone();
            }
            self.keep(message);
        }
    }

    /// Keeps what has come meanwhile.
    pub fn drain(&mut self) {
        while let Ok(message) = self.receive(Duration::ZERO) {
            self.keep(message);
        }
    }

    fn receive(&self, within: Duration) -> Result<Value, RecvTimeoutError> {
        self.from.recv_timeout(within)
    }

    fn keep(&mut self, message: Value) {
        if self.events.len() < KEPT && message["method"].is_string() {
            self.events.push(message);
        }
    }
}
