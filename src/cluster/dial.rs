//! Connects to another node, and waits until it has accepted the connection.

use std::time::Instant;

use thiserror::Error;

use super::config::{ClusterConfig, Node};
use super::message::{Hello, Message, Purpose};
use crate::engine::Settings;
use crate::log::Clock;
use crate::mesh::{Connection, WireMessage};

/// Why a node cannot be reached. The messages name the node.
#[derive(Debug, Error)]
pub(super) enum DialError {
    /// It refuses this node, for a reason that lasts.
    #[error("{0}")]
    Refused(String),
    /// It is not there, or closed the connection without a reply. It does so also when strangers have connections to
    /// all of its places, and then has a place again within seconds.
    #[error("{0}")]
    Failed(String),
}

/// Connects to a node, and waits until it has accepted the connection.
///
/// # Errors
/// When the node is not there in time or refuses.
pub(super) fn dial(
    config: &ClusterConfig,
    settings: &Settings,
    node: &Node,
    purpose: Purpose,
    deadline: Instant,
) -> Result<Connection, DialError> {
    let identity = config.identity.as_ref();
    let connection = Connection::connect(&node.addresses, node.id, identity, deadline)
        .map_err(|error| DialError::Failed(format!("cannot connect to {}: {error}", name(node))))?;
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
    let reply = reply.map_err(|error| {
        DialError::Failed(format!("the connection to {} failed: {error}", name(node)))
    })?;
    match reply {
        Message::Accepted => Ok(connection),
        Message::Refused(reason) => {
            Err(DialError::Refused(format!("{} refused this node: {reason}", name(node))))
        }
        _ => Err(DialError::Refused(format!("{} did not reply to the hello", name(node)))),
    }
}

/// The name of a node in messages.
pub(super) fn name(node: &Node) -> String {
    format!("node {} at '{}'", node.id, node.address)
}
