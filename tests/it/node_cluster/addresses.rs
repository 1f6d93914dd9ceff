//! The addresses of a test's cluster.

use std::sync::atomic::{AtomicU16, Ordering};

/// The number of ports of each cluster.
const PORTS: u16 = 32;

/// The ports of a cluster's nodes, and an address that only this process uses.
///
/// A node has the same ports after a restart. On Linux every address 127.*.*.* is a loopback address, so no process of
/// another test can get them while the node is down.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    host: String,
    first_port: u16,
}

impl Addresses {
    pub(super) fn new() -> Self {
        static CLUSTERS: AtomicU16 = AtomicU16::new(0);
        let [_, a, b, c] = std::process::id().to_be_bytes();
        let host = match cfg!(target_os = "linux") {
            true => format!("127.{}.{b}.{c}", a | 64),
            false => "127.0.0.1".to_owned(),
        };
        Self { host, first_port: 10_000 + PORTS * CLUSTERS.fetch_add(1, Ordering::Relaxed) }
    }

    /// The address of a node for the other nodes.
    pub(crate) fn cluster(&self, node: usize) -> String {
        self.port(node)
    }

    /// The address of a node for clients.
    pub(crate) fn http(&self, node: usize) -> String {
        self.port(8 + node)
    }

    /// The address of a proxy for the connections of node `from` to node `to`; fewer than four nodes have proxies.
    pub(crate) fn proxy(&self, from: usize, to: usize) -> String {
        self.port(16 + 4 * from + to)
    }

    fn port(&self, number: usize) -> String {
        format!("{}:{}", self.host, usize::from(self.first_port) + number)
    }

    /// The text of a cluster file with these addresses.
    pub(super) fn replace_in(&self, file: &str) -> String {
        let mut text = file.to_owned();
        for node in 0..8 {
            text = text.replace(&format!("127.0.0.1:{}", 7170 + node), &self.cluster(node));
            text = text.replace(&format!("127.0.0.1:{}", 7070 + node), &self.http(node));
        }
        text
    }
}
