//! The file `cluster.toml`, which is the same on all nodes of a cluster.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::error::ClusterError;
use super::node_id::{COORDINATOR, NodeId};
use crate::mesh::{CA, Identity};

/// The maximum number of nodes: each has a connection to each other.
const NODES_MAX: usize = 64;

/// The maximum number of workers of a node.
const WORKERS_MAX: usize = 256;

/// The greatest node id.
const ID_MAX: NodeId = 999;

/// The text of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterFile {
    pub(super) cluster: String,
    #[serde(deserialize_with = "workers")]
    pub(super) workers: NonZeroUsize,
    pub(super) nodes: Vec<NodeEntry>,
}

impl ClusterFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read or is not valid TOML of this form.
    pub(super) fn read(path: &Path) -> Result<Self, ClusterError> {
        let read = |reason| ClusterError::Read { path: path.to_owned(), reason };
        let text = fs::read_to_string(path).map_err(read)?;
        toml::from_str(&text).map_err(|error| {
            let reason = error.message().to_owned();
            ClusterError::Invalid { path: path.to_owned(), reason }
        })
    }

    /// Adds a node, and returns its id: one more than the greatest.
    ///
    /// # Errors
    /// When there are as many nodes as there can be, or one has the address.
    pub(super) fn add(&mut self, address: String, url: String) -> Result<NodeId, String> {
        let id = self.nodes.iter().map(|node| node.id + 1).max().unwrap_or_default();
        if self.nodes.len() == NODES_MAX || id > ID_MAX {
            return Err(format!(
                "it can have at most {NODES_MAX} nodes, with ids of at most {ID_MAX}"
            ));
        }
        if let Some(node) = self.nodes.iter().find(|node| node.address == address) {
            return Err(format!("node {} has the address '{address}' already", node.id));
        }
        self.nodes.push(NodeEntry { id, address, url });
        Ok(id)
    }
}

/// Reads the number of workers. The errors of serde would name types of Rust.
fn workers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroUsize, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let workers = value.as_integer().and_then(|number| usize::try_from(number).ok());
    let workers = workers.filter(|workers| *workers <= WORKERS_MAX).and_then(NonZeroUsize::new);
    workers.ok_or_else(|| {
        D::Error::custom(format!("workers must be a whole number from 1 to {WORKERS_MAX}"))
    })
}

/// A node in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeEntry {
    pub(super) id: NodeId,
    /// Host and port for the other nodes.
    pub(super) address: String,
    /// The public URL of its API.
    pub(super) url: String,
}

/// A node of a cluster.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// The address for the other nodes, as in the file.
    pub address: String,
    /// The URL of its API.
    pub url: String,
    /// What the address resolves to; at least one.
    pub(super) addresses: Vec<SocketAddr>,
}

/// A cluster, as one of its nodes sees it.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The name of the cluster. A node of another cluster is refused.
    pub cluster: String,
    /// The number of worker threads of each node.
    pub workers: usize,
    /// All nodes, by ascending id. The position of a node is the index of its process.
    pub nodes: Vec<Node>,
    /// The position of this node.
    pub index: usize,
    /// What authenticates this node; `None` for a cluster without certificates on loopback.
    pub identity: Option<Identity>,
}

impl ClusterConfig {
    /// Reads the cluster of node `id` from the file at `path`. The certificates are in the same directory.
    ///
    /// # Errors
    /// When the file cannot be read, has no such node or no node 0, or has an id or address twice; when a
    /// certificate cannot be used; when there are no certificates and an address is not loopback.
    pub fn load(path: &Path, id: NodeId) -> Result<Self, ClusterError> {
        let invalid = |reason| ClusterError::Invalid { path: path.to_owned(), reason };
        let ClusterFile { cluster, workers, nodes } = ClusterFile::read(path)?;
        let mut nodes =
            nodes.into_iter().map(resolve).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        nodes.sort_by_key(|node| node.id);
        check(&nodes).map_err(invalid)?;
        let index = nodes.iter().position(|node| node.id == id);
        let index = index.ok_or_else(|| ClusterError::NoSuchNode { path: path.to_owned(), id })?;
        let certs = path.parent().unwrap_or(Path::new("."));
        let has_certs = certs.join(CA).exists();
        let identity = has_certs.then(|| Identity::load_from(certs, id)).transpose()?;
        let is_loopback =
            |node: &Node| node.addresses.iter().all(|address| address.ip().is_loopback());
        match nodes.iter().find(|node| !is_loopback(node)) {
            Some(node) if identity.is_none() => {
                return Err(ClusterError::NoCertificates { address: node.address.clone() });
            }
            _ => {}
        }
        Ok(Self { cluster, workers: workers.get(), nodes, index, identity })
    }

    /// This node.
    pub fn node(&self) -> &Node {
        // `load` makes sure that the index is one of the nodes.
        &self.nodes[self.index]
    }

    /// Whether this node forms the generations.
    pub fn is_coordinator(&self) -> bool {
        self.node().id == COORDINATOR
    }

    /// The node with this id.
    pub(super) fn find(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

fn resolve(NodeEntry { id, address, url }: NodeEntry) -> Result<Node, String> {
    let addresses: Vec<_> = match address.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => return Err(format!("cannot find '{address}' of node {id}: {error}")),
    };
    if addresses.is_empty() {
        return Err(format!("'{address}' of node {id} has no address"));
    }
    Ok(Node { id, address, url, addresses })
}

/// Checks nodes that are sorted by id.
fn check(nodes: &[Node]) -> Result<(), String> {
    if nodes.first().is_none_or(|node| node.id != COORDINATOR) {
        return Err("it has no node with id 0, which forms the cluster".to_owned());
    }
    if nodes.len() > NODES_MAX {
        return Err(format!("it has {} nodes, and at most {NODES_MAX} can be", nodes.len()));
    }
    for (position, node) in nodes.iter().enumerate() {
        if node.id > ID_MAX {
            return Err(format!("a node has the id {}, and the greatest is {ID_MAX}", node.id));
        }
        if node.addresses.iter().any(|address| address.port() == 0) {
            return Err(format!("node {} has port 0; give it one that others can know", node.id));
        }
        for other in nodes.iter().skip(position + 1) {
            if node.id == other.id {
                return Err(format!("two nodes have the id {}", node.id));
            }
            if node.addresses.iter().any(|address| other.addresses.contains(address)) {
                let (id, other_id) = (node.id, other.id);
                return Err(format!("nodes {id} and {other_id} have the same address"));
            }
        }
    }
    Ok(())
}
