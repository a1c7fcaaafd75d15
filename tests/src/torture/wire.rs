//! A wire from the host to Cassandra, which can answer writes as a database does that lost count of its replicas.
//!
//! Frames of the native protocol (version 4, as the driver speaks it) pass as they are. While writes time out, each is
//! answered with the database's own error of that name. Every other one is carried out all the same: after a timeout
//! nobody knows. Nothing else is changed, and nothing is read but the frames' heads.

use std::{
    collections::HashSet,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};

/// Version, flags, stream, opcode, length.
const HEAD: usize = 9;
const EXECUTE: u8 = 0x0A;
const BATCH: u8 = 0x0D;
/// The answer to a frame of version 4, and an error.
const ANSWER: u8 = 0x84;
const ERROR: u8 = 0x00;
const WRITE_TIMEOUT: u32 = 0x1100;
const LOCAL_QUORUM: u16 = 6;

/// See the module.
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    times_out: AtomicBool,
    /// Writes that were answered with a timeout.
    answered: AtomicU64,
}

impl Wire {
    /// Lays one to a node; it lasts as long as the process.
    pub fn to(node: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot lay a wire to Cassandra")?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let wires = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // A node that is away is one that closes the connection.
                let _ = client.and_then(|client| join(&client, &TcpStream::connect(&node)?, &wires));
            }
        });
        Ok(Self { address, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on writes time out, or do not. Returns how many have.
    pub fn time_out(&self, writes: bool) -> u64 {
        self.shared.times_out.store(writes, Ordering::SeqCst);
        self.shared.answered.load(Ordering::SeqCst)
    }
}

/// What the two directions of a connection share: the way back, and the streams whose answer is replaced.
struct Connection {
    back: Mutex<TcpStream>,
    replaced: Mutex<HashSet<[u8; 2]>>,
}

fn join(client: &TcpStream, node: &TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    node.set_nodelay(true)?;
    let connection = Arc::new(Connection { back: Mutex::new(client.try_clone()?), replaced: Mutex::default() });
    let both = || io::Result::Ok([client.try_clone()?, node.try_clone()?]);
    let (there, back) = (both()?, both()?);
    let (connection_there, shared) = (connection.clone(), shared.clone());
    std::thread::spawn(move || {
        let [client, node] = &there;
        let _ = requests(client, node, &connection_there, &shared);
        close(&there);
    });
    std::thread::spawn(move || {
        let [_, node] = &back;
        let _ = answers(node, &connection);
        close(&back);
    });
    Ok(())
}

/// However one direction ends, both sides are to see an end.
fn close(both: &[TcpStream; 2]) {
    both.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
}

/// From the host to the node.
fn requests(from: &TcpStream, mut to: &TcpStream, connection: &Connection, shared: &Shared) -> io::Result<()> {
    let (mut from, mut frame, mut reaches) = (io::BufReader::new(from), Vec::new(), false);
    while read_frame(&mut from, &mut frame)? {
        let [_, _, s0, s1, opcode, ..] = *frame else { break };
        if matches!(opcode, EXECUTE | BATCH) && shared.times_out.load(Ordering::SeqCst) {
            shared.answered.fetch_add(1, Ordering::SeqCst);
            reaches = !reaches;
            if !reaches {
                connection.answer(&write_timeout([s0, s1]))?;
                continue;
            }
            connection.replaced.lock().unwrap_or_else(PoisonError::into_inner).insert([s0, s1]);
        }
        to.write_all(&frame)?;
    }
    Ok(())
}

/// From the node to the host.
fn answers(from: &TcpStream, connection: &Connection) -> io::Result<()> {
    let (mut from, mut frame) = (io::BufReader::new(from), Vec::new());
    while read_frame(&mut from, &mut frame)? {
        let [_, _, s0, s1, ..] = *frame else { break };
        if connection.replaced.lock().unwrap_or_else(PoisonError::into_inner).remove(&[s0, s1]) {
            connection.answer(&write_timeout([s0, s1]))?;
        } else {
            connection.answer(&frame)?;
        }
    }
    Ok(())
}

impl Connection {
    fn answer(&self, frame: &[u8]) -> io::Result<()> {
        self.back.lock().unwrap_or_else(PoisonError::into_inner).write_all(frame)
    }
}

/// Reads a whole frame; `false` at the end.
fn read_frame(from: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<bool> {
    frame.resize(HEAD, 0);
    match from.read_exact(frame) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    let [.., l0, l1, l2, l3] = **frame else { return Ok(false) };
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    let read = from.take(length.into()).read_to_end(frame)?;
    Ok(read == length as usize)
}

/// The answer that a write was not confirmed by enough replicas in time.
fn write_timeout(stream: [u8; 2]) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
    let received_and_required = [0_u32.to_be_bytes(), 1_u32.to_be_bytes()].concat();
    let body = [
        WRITE_TIMEOUT.to_be_bytes().to_vec(),
        text("Operation timed out - received only 0 responses."),
        LOCAL_QUORUM.to_be_bytes().to_vec(),
        received_and_required,
        text("SIMPLE"),
    ]
    .concat();
    let [s0, s1] = stream;
    [&[ANSWER, 0, s0, s1, ERROR], &(body.len() as u32).to_be_bytes()[..], &body].concat()
}
