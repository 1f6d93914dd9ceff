//! The links of a generation: each node connects to those before it.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::config::{ClusterConfig, Node};
use super::message::{Hello, Message, Purpose};
use super::node_id::NodeId;
use crate::engine::Settings;
use crate::log::Clock;
use crate::mesh::{Connection, Fate, Peer, WireMessage};

/// How long opening the links may take. All nodes run and listen when it begins.
const OPEN_TIME_MAX: Duration = Duration::from_secs(5);

/// The interval at which a wait for a link checks whether its generation has ended.
const POLL: Duration = Duration::from_millis(20);

/// The links that other nodes have opened and no generation has taken yet: at most one from each node.
#[derive(Debug, Default)]
pub(super) struct LinkRoom(Mutex<Vec<OpenedLink>>, Condvar);

#[derive(Debug)]
struct OpenedLink {
    from: NodeId,
    generation: u64,
    connection: Connection,
}

impl LinkRoom {
    /// Adds a link. One of the same node is replaced, because the node has given it up.
    pub(super) fn put(&self, from: NodeId, generation: u64, connection: Connection) {
        let mut opened = self.lock();
        opened.retain(|link| link.from != from);
        opened.push(OpenedLink { from, generation, connection });
        drop(opened);
        self.1.notify_all();
    }

    /// Waits for the link of a node for a generation, until `deadline` or the end of the generation. Links for others,
    /// which ended, are closed.
    fn take(
        &self,
        from: NodeId,
        generation: u64,
        fate: &Fate,
        deadline: Instant,
    ) -> Option<Connection> {
        let is_here = |link: &OpenedLink| link.from == from && link.generation == generation;
        let mut links = self.lock();
        while !links.iter().any(is_here) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || fate.has_ended() {
                return None;
            }
            let waited = self.1.wait_timeout(links, left.min(POLL));
            links = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let position = links.iter().position(is_here)?;
        Some(links.swap_remove(position).connection)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OpenedLink>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the links to all other nodes for a generation, in the order of the nodes; the own place is empty.
///
/// # Errors
/// When a node refuses, is not there in time, or the generation ends. The error names the node.
pub(super) fn open(
    config: &ClusterConfig,
    settings: &Settings,
    room: &LinkRoom,
    generation: u64,
    fate: &Fate,
) -> Result<Vec<Option<Peer>>, String> {
    let deadline = Instant::now() + OPEN_TIME_MAX;
    let mut peers = Vec::new();
    for (position, node) in config.nodes.iter().enumerate() {
        let link = match position.cmp(&config.index) {
            std::cmp::Ordering::Less => {
                Some(dial(config, settings, node, Purpose::Link(generation), deadline)?)
            }
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => {
                let link = room.take(node.id, generation, fate, deadline);
                let link =
                    link.ok_or_else(|| format!("{} did not open its link in time", name(node)))?;
                Message::Accepted.send(&link).map_err(|error| failed(node, &error))?;
                Some(link)
            }
        };
        peers.push(link.map(|connection| Peer { name: format!("node {}", node.id), connection }));
    }
    Ok(peers)
}

/// Connects to a node, and waits until it has accepted the connection.
///
/// # Errors
/// When the node is not there in time or refuses. The error names it.
pub(super) fn dial(
    config: &ClusterConfig,
    settings: &Settings,
    node: &Node,
    purpose: Purpose,
    deadline: Instant,
) -> Result<Connection, String> {
    let identity = config.identity.as_ref();
    let connection = Connection::connect(&node.addresses, node.id, identity, deadline)
        .map_err(|error| format!("cannot connect to {}: {error}", name(node)))?;
    let hello = Hello {
        cluster: config.cluster.clone(),
        from: config.node().id,
        to: node.id,
        purpose,
        settings: settings.clone(),
        machine_ms: Clock::system().now(),
    };
    let reply = Message::Hello(hello)
        .send(&connection)
        .and_then(|()| Message::receive_first(&connection, deadline));
    match reply.map_err(|error| failed(node, &error))? {
        Message::Accepted => Ok(connection),
        Message::Refused(reason) => Err(format!("{} refused this node: {reason}", name(node))),
        _ => Err(format!("{} did not reply to the hello", name(node))),
    }
}

fn failed(node: &Node, error: &io::Error) -> String {
    format!("the connection to {} failed: {error}", name(node))
}

/// The name of a node in messages.
pub(super) fn name(node: &Node) -> String {
    format!("node {} at '{}'", node.id, node.address)
}
