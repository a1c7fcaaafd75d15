//! Real engines, shared with other tests: names of our own in them, and a wire to them that can be cut.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::Connection;

/// A name that no other test or run has.
pub fn unique(name: &str) -> String {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis();
    format!("{name}_{now}_{}_{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed))
}

/// A database whose table `t` has an email, and which this connection keeps locked until it says `ROLLBACK`.
pub fn locked(path: &Path) -> Connection {
    let database = Connection::open(path).expect("opening the database");
    database.busy_timeout(Duration::from_secs(10)).expect("setting a timeout");
    database
        .execute_batch(
            "PRAGMA journal_mode = wal;
             CREATE TABLE IF NOT EXISTS t (email text PRIMARY KEY, expires_at integer, write_timestamp integer NOT NULL);
             BEGIN IMMEDIATE",
        )
        .expect("locking the database");
    database
}

/// A port of this machine that leads to an engine until it is cut; then connections are refused.
pub struct Wire {
    pub address: SocketAddr,
    cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// Lays one.
    pub fn to(engine: &str) -> Self {
        let engine = engine.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (cut, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_cut, streams) = (cut.clone(), open.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if is_cut.load(Ordering::SeqCst) {
                    return;
                }
                // A connection that cannot be made is one that the client sees closed.
                let _ = client.and_then(|client| join(&client, &TcpStream::connect(&engine)?, &streams));
            }
        });
        Self { address, cut, open }
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it goes away.
        let _ = TcpStream::connect(self.address);
        for stream in self.open.lock().expect("no thread panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn join(client: &TcpStream, engine: &TcpStream, open: &Mutex<Vec<TcpStream>>) -> io::Result<()> {
    for (from, to) in [(client, engine), (engine, client)] {
        open.lock().expect("no thread panics").push(from.try_clone()?);
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        std::thread::spawn(move || {
            // However it ends, the other side is to see an end.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
