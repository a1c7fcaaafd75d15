//! Asks an engine one question in its own protocol: an address goes in, a word of proof comes out.
//!
//! An open port proves little: a paused process still accepts connections, and a starting one may accept before it can
//! serve. So Kafka is asked for its metadata and Cassandra for a row. Never writes anything to the engine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::kind::Kind;

/// An answer on loopback takes milliseconds; a JVM in a long garbage collection is given this much.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// No answer to these questions is longer; a longer one comes from something else that listens there.
const MAX_ANSWER_BYTES: usize = 1 << 20;
const CORRELATION: i32 = 7;

/// What the engine at `address` says of itself, or why it cannot be asked.
pub fn ask(kind: Kind, address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)
        .with_context(|| format!("nothing listens at {address}"))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    match kind {
        Kind::Kafka => kafka(&mut stream),
        Kind::Cassandra => cassandra(&mut stream),
    }
    .with_context(|| format!("no answer of {kind} at {address}"))
}

/// Metadata, version 5, for no topic: at least one broker has to be registered.
fn kafka(stream: &mut TcpStream) -> Result<String> {
    let mut request = Vec::new();
    request.extend(3_i16.to_be_bytes());
    request.extend(5_i16.to_be_bytes());
    request.extend(CORRELATION.to_be_bytes());
    push_string(&mut request, "xtask");
    request.extend(0_i32.to_be_bytes()); // an empty list of topics, not null, which would mean all
    request.push(0); // create none
    stream.write_all(&[&length(&request)?.to_be_bytes(), request.as_slice()].concat())?;

    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let body = read_body(stream, i32::from_be_bytes(size))?;
    let mut answer = Answer(&body);
    let correlation = answer.int()?;
    if correlation != CORRELATION {
        bail!("answered request {correlation} instead of {CORRELATION}");
    }
    let _throttle_ms = answer.int()?;
    match answer.int()? {
        brokers if brokers > 0 => Ok(format!("{brokers} broker(s)")),
        _ => bail!("no broker is registered yet"),
    }
}

const CQL_STARTUP: u8 = 1;
const CQL_READY: u8 = 2;
const CQL_QUERY: u8 = 7;
const CQL_RESULT: u8 = 8;
const CQL_CONSISTENCY_ONE: i16 = 1;
const CQL_ROWS: i32 = 2;
const CQL_GLOBAL_TABLE: i32 = 1;

/// STARTUP, then the node's own row.
fn cassandra(stream: &mut TcpStream) -> Result<String> {
    let mut startup = Vec::new();
    startup.extend(1_i16.to_be_bytes());
    push_string(&mut startup, "CQL_VERSION");
    push_string(&mut startup, "3.0.0");
    cql(stream, CQL_STARTUP, &startup, CQL_READY)?;

    let text = "SELECT release_version FROM system.local";
    let mut query = Vec::new();
    query.extend(length(text.as_bytes())?.to_be_bytes());
    query.extend(text.as_bytes());
    query.extend(CQL_CONSISTENCY_ONE.to_be_bytes());
    query.push(0); // no flags, so nothing follows
    let rows = cql(stream, CQL_QUERY, &query, CQL_RESULT)?;
    Ok(format!("version {}", first_text(&rows)?))
}

/// One request and its answer, protocol version 4, on stream 0.
fn cql(stream: &mut TcpStream, opcode: u8, body: &[u8], expected: u8) -> Result<Vec<u8>> {
    // In one write: whoever is no Cassandra may hang up after the first bytes, and its answer is worth more than that.
    stream.write_all(&[&[4, 0, 0, 0, opcode], length(body)?.to_be_bytes().as_slice(), body].concat())?;
    let mut header = [0; 9];
    stream.read_exact(&mut header)?;
    let [_version, _flags, _stream_high, _stream_low, answered, size @ ..] = header;
    let body = read_body(stream, i32::from_be_bytes(size))?;
    if answered != expected {
        bail!("answered with opcode {answered} instead of {expected}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body)
}

/// The first column of the first row of a result with one text column.
fn first_text(rows: &[u8]) -> Result<String> {
    let mut answer = Answer(rows);
    if answer.int()? != CQL_ROWS {
        bail!("answered a SELECT without rows");
    }
    let flags = answer.int()?;
    let _columns = answer.int()?;
    if flags & CQL_GLOBAL_TABLE != 0 {
        answer.string()?; // keyspace
        answer.string()?; // table
    }
    answer.string()?; // the column's name
    let _type = answer.short()?;
    if answer.int()? < 1 {
        bail!("the node has no row about itself yet");
    }
    let size = answer.int()?;
    Ok(String::from_utf8_lossy(answer.take(usize::try_from(size)?)?).into_owned())
}

fn read_body(stream: &mut TcpStream, size: i32) -> Result<Vec<u8>> {
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_ANSWER_BYTES);
    let Some(size) = size else { bail!("the answer is not of this protocol") };
    let mut body = vec![0; size];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn length(bytes: &[u8]) -> Result<i32> {
    Ok(i32::try_from(bytes.len())?)
}

/// Both protocols write a string as two bytes of length and its bytes. Ours are a few characters long.
fn push_string(out: &mut Vec<u8>, text: &str) {
    out.extend(i16::try_from(text.len()).unwrap_or(i16::MAX).to_be_bytes());
    out.extend(text.as_bytes());
}

/// What is left to read of an answer.
struct Answer<'a>(&'a [u8]);

impl<'a> Answer<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count).context("the answer ends too early")?;
        self.0 = tail;
        Ok(head)
    }

    fn int(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    fn short(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn string(&mut self) -> Result<&'a [u8]> {
        let size = self.short()?;
        self.take(usize::from(size))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that reads one request and answers with fixed bytes, then closes.
    fn answering(bytes: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        address
    }

    fn metadata(correlation: i32, brokers: i32) -> Vec<u8> {
        let mut body = Vec::new();
        for number in [correlation, 0, brokers] {
            body.extend(number.to_be_bytes());
        }
        let mut answer = 12_i32.to_be_bytes().to_vec();
        answer.extend(body);
        answer
    }

    #[test]
    fn a_broker_that_is_registered_counts_as_an_answer() {
        assert_eq!(ask(Kind::Kafka, answering(metadata(CORRELATION, 1))).unwrap(), "1 broker(s)");
    }

    #[test]
    fn a_cluster_without_brokers_is_not_ready() {
        let error = ask(Kind::Kafka, answering(metadata(CORRELATION, 0))).unwrap_err();
        assert!(format!("{error:#}").contains("no broker is registered"), "{error:#}");
    }

    #[test]
    fn a_server_of_another_protocol_is_not_taken_for_an_engine() {
        for kind in Kind::ALL {
            let error = ask(kind, answering(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).unwrap_err();
            assert!(format!("{error:#}").contains("not of this protocol"), "{error:#}");
        }
    }

    #[test]
    fn a_closed_port_is_named() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = ask(Kind::Cassandra, address).unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error:#}");
    }

    #[test]
    fn reads_the_version_out_of_a_row() {
        let mut rows = Vec::new();
        for number in [CQL_ROWS, CQL_GLOBAL_TABLE, 1] {
            rows.extend(number.to_be_bytes());
        }
        for name in ["system", "local", "release_version"] {
            push_string(&mut rows, name);
        }
        rows.extend(13_i16.to_be_bytes());
        rows.extend(1_i32.to_be_bytes());
        rows.extend(5_i32.to_be_bytes());
        rows.extend(b"5.0.9");
        assert_eq!(first_text(&rows).unwrap(), "5.0.9");
        let cut = rows.get(..rows.len() - 1).unwrap();
        assert!(first_text(cut).unwrap_err().to_string().contains("too early"));
    }
}
