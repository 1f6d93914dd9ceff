//! Accepts connections from other processes, and refuses those that do not belong to the run.

use std::sync::mpsc::Sender;

use super::control::Event;
use super::error::ClusterError;
use super::hosts::Cluster;
use super::message::{Hello, Message};
use crate::mesh::{Connection, ConnectionError, Listener, WireMessage};

/// Listens on the address of this process, and sends connections that begin with a hello to `events`.
///
/// The port stays open until the process ends: a process that comes too late is refused with a reason.
pub(super) fn listen(cluster: &Cluster, events: &Sender<Event>) -> Result<(), ClusterError> {
    let Some(host) = cluster.hosts.get(cluster.process) else { return Ok(()) };
    let (process, events) = (cluster.process, events.clone());
    let greet = move |first, connection: Connection| {
        let Message::Hello(hello) = first else { return };
        match refusal(&hello, process, &connection) {
            None => events.send(Event::Arrival(hello, connection)).unwrap_or_default(),
            Some(reason) => refuse(&connection, reason),
        }
    };
    let listening = Listener::start(&host.addresses, cluster.identity.clone(), greet);
    listening.map(drop).map_err(|error| ClusterError::Listen(host.name.clone(), error))
}

/// Why the sender of a hello cannot be connected to this process.
fn refusal(hello: &Hello, process: usize, connection: &Connection) -> Option<String> {
    let Hello { from, to, .. } = *hello;
    if to != process {
        let remedy = "list the hosts in the same order";
        return Some(format!("this is process {process}, not {to}; {remedy}"));
    }
    match connection.check_peer(from) {
        Ok(()) => None,
        Err(ConnectionError::WrongNode { reason, .. }) => {
            Some(format!("its certificate is not that of process {from}: {reason}"))
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Replies to a hello that this process does not belong to the run.
pub(super) fn refuse(connection: &Connection, reason: String) {
    // The other process may be gone already, and then it needs no reason.
    Message::End { status: 2, error: Some(reason) }.send(connection).unwrap_or_default();
}
