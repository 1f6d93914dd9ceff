//! The links of a generation: each node connects to those before it.

use std::cmp::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::config::{ClusterConfig, Node};
use super::dial::{DialError, dial, name};
use super::message::{Message, Purpose};
use super::node_id::NodeId;
use crate::engine::Settings;
use crate::mesh::{Connection, Fate, Peer, WireMessage};

/// How long opening the links may take. All nodes run and listen when it begins, but strangers can occupy the places of
/// one for 2 s.
const OPEN_TIME_MAX: Duration = Duration::from_secs(5);

/// The pause between two attempts to open a link.
const RETRY: Duration = Duration::from_millis(50);

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
/// When a node refuses, is not there in time, or the generation ends. The error names it.
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
            Ordering::Less => {
                dial_until(config, settings, node, generation, fate, deadline).map(Some)
            }
            Ordering::Equal => Ok(None),
            Ordering::Greater => accept(room, node, generation, fate, deadline).map(Some),
        };
        let peer = |connection| Peer { name: format!("node {}", node.id), connection };
        peers.push(link?.map(peer));
    }
    Ok(peers)
}

/// Connects to a node, again and again until it has a place for the link, refuses it, or `deadline` passes.
fn dial_until(
    config: &ClusterConfig,
    settings: &Settings,
    node: &Node,
    generation: u64,
    fate: &Fate,
    deadline: Instant,
) -> Result<Connection, String> {
    loop {
        match dial(config, settings, node, Purpose::Link(generation), deadline) {
            Err(DialError::Failed(reason)) => {
                let is_over = fate.wait_timeout(RETRY).is_some() || Instant::now() >= deadline;
                if is_over {
                    return Err(reason);
                }
            }
            dialed => return dialed.map_err(|error| error.to_string()),
        }
    }
}

/// Waits for the link that a node opens, and accepts it.
fn accept(
    room: &LinkRoom,
    node: &Node,
    generation: u64,
    fate: &Fate,
    deadline: Instant,
) -> Result<Connection, String> {
    let link = room.take(node.id, generation, fate, deadline);
    let link = link.ok_or_else(|| format!("{} did not open its link in time", name(node)))?;
    match Message::Accepted.send(&link) {
        Ok(()) => Ok(link),
        Err(error) => Err(format!("the connection to {} failed: {error}", name(node))),
    }
}
