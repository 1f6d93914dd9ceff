//! Nodes on loopback, in one process.

mod certificates;
mod counting;

mod faults;
mod generations;
mod handshakes;
mod identities;
mod streams;

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{Connection, ConnectionError, Identity, Peer};

/// How long a test waits for a state. It fails afterwards.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// The outcome of a connection, at the node that accepts and at the one that connects.
struct Outcome {
    accepted: Result<Connection, ConnectionError>,
    connected: Result<Connection, ConnectionError>,
}

/// Connects to node `to`, over loopback.
fn meet(to: usize, accepting: Option<&Identity>, connecting: Option<&Identity>) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [listener.local_addr().unwrap()];
    thread::scope(|scope| {
        let connected = scope.spawn(|| Connection::connect(&addresses, to, connecting, deadline()));
        let socket = listener.accept().unwrap().0;
        let accepted = Connection::accept(socket, accepting, deadline());
        Outcome { accepted, connected: connected.join().unwrap() }
    })
}

/// A connection that node `to` has accepted, at its two ends.
pub(super) fn pair(
    to: usize,
    accepting: Option<&Identity>,
    connecting: Option<&Identity>,
) -> [Connection; 2] {
    let Outcome { accepted, connected } = meet(to, accepting, connecting);
    [accepted.unwrap(), connected.unwrap()]
}

/// Node `node`, at the other end of a connection.
pub(super) fn peer(node: usize, connection: Connection) -> Peer {
    Peer { name: format!("node {node}"), connection }
}

/// A connected pair of sockets.
fn sockets() -> [TcpStream; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    [listener.accept().unwrap().0, connected]
}
