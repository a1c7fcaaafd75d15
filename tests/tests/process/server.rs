//! An HTTP server that gives the answers it was handed, one after the other; the last one again and again.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// What a request is answered with.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub status: &'static str,
    /// Header lines, each with its line end. `Content-Length` is added unless it is among them.
    pub headers: &'static str,
    pub body: &'static str,
}

impl Answer {
    /// An answer as it should be.
    pub fn json(body: &'static str) -> Self {
        Self { status: "200 OK", headers: "Content-Type: application/json\r\n", body }
    }
}

/// A server that ends with the test process.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<Instant>>>,
}

impl Server {
    /// Starts one; `answers` has at least one.
    pub fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/api", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let times = requests.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let number = {
                    let mut times = times.lock().expect("no thread panics");
                    times.push(Instant::now());
                    times.len() - 1
                };
                let answer = answers[number.min(answers.len() - 1)];
                // A client that goes away early is a client's matter.
                let _ = connection.and_then(|connection| respond(connection, answer));
            }
        });
        Self { url, requests }
    }

    /// When each request came.
    pub fn requests(&self) -> Vec<Instant> {
        self.requests.lock().expect("no thread panics").clone()
    }
}

fn respond(mut connection: TcpStream, answer: Answer) -> std::io::Result<()> {
    for line in BufReader::new(connection.try_clone()?).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let Answer { status, headers, body } = answer;
    let length = format!("Content-Length: {}\r\n", body.len());
    let length = if headers.contains("Content-Length") { "" } else { &length };
    write!(connection, "HTTP/1.1 {status}\r\n{headers}{length}Connection: close\r\n\r\n{body}")
}

/// The body of a GET.
pub fn get(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("the server listens");
    connection.set_read_timeout(Some(Duration::from_secs(30))).expect("setting a timeout");
    write!(connection, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").expect("asking");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{answer}");
    body.to_owned()
}
