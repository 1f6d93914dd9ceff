//! The connections of one node to another, which a test can cut and freeze.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::NodeCluster;

/// What a proxy does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Forward,
    /// Closes all connections, and new ones at once.
    Cut,
    /// Accepts connections, but forwards nothing, as a network that loses all packets.
    Freeze,
}

/// A proxy for the connections of one node to another.
pub(super) struct Proxy(Arc<Mutex<State>>);

struct State {
    mode: Mode,
    open: Vec<TcpStream>,
}

impl Proxy {
    fn start(address: &str, upstream: String) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let state = Arc::new(Mutex::new(State { mode: Mode::Forward, open: Vec::new() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if lock(&shared).mode == Mode::Cut {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&upstream) else { continue };
                let mut state = lock(&shared);
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    state.open.push(from.try_clone().unwrap());
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || forward(from, to, &shared));
                }
            }
        });
        Self(state)
    }

    pub(super) fn set(&self, mode: Mode) {
        let mut state = lock(&self.0);
        state.mode = mode;
        if mode == Mode::Cut {
            for stream in state.open.drain(..) {
                stream.shutdown(Shutdown::Both).unwrap_or_default();
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forwards bytes in one direction, until the connection is closed.
fn forward(mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        while lock(state).mode == Mode::Freeze {
            thread::sleep(Duration::from_millis(5));
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).unwrap_or_default();
    to.shutdown(Shutdown::Both).unwrap_or_default();
}

/// Proxies between all nodes of a cluster of three.
pub(super) struct Network {
    /// With the node that connects, and the node that it connects to. A node connects to those before it.
    proxies: Vec<(usize, usize, Proxy)>,
}

impl Network {
    /// Gives each node of a new cluster a cluster file with the addresses of proxies.
    pub(super) fn between(cluster: &NodeCluster) -> Self {
        let (addresses, place) = (&cluster.addresses, &cluster.place);
        let file = fs::read_to_string(place.path("cluster/cluster.toml")).unwrap();
        let mut proxies = Vec::new();
        for from in 0..cluster.options.nodes {
            let mut own = file.clone();
            for to in 0..from {
                let address = addresses.proxy(from, to);
                own = own.replace(&addresses.cluster(to), &address);
                proxies.push((from, to, Proxy::start(&address, addresses.cluster(to))));
            }
            place.write(&format!("cluster-{from}/cluster.toml"), own);
        }
        Self { proxies }
    }

    /// What the network does between two nodes from now on.
    pub(super) fn set(&self, one: usize, other: usize, mode: Mode) {
        let ends = (one.max(other), one.min(other));
        let between = |(from, to, _): &&(usize, usize, Proxy)| (*from, *to) == ends;
        self.proxies.iter().find(between).unwrap().2.set(mode);
    }
}
