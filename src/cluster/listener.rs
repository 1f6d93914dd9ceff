//! Accepts connections from other nodes, and refuses those that do not belong to the cluster.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use super::clock_difference;
use super::config::ClusterConfig;
use super::coordinator::Event;
use super::error::ClusterError;
use super::links::LinkRoom;
use super::message::{Hello, Message, Purpose};
use crate::engine::Settings;
use crate::log::Clock;
use crate::mesh::{self, Connection};

/// The connections that a node accepts.
pub(super) struct Listener {
    pub(super) config: Arc<ClusterConfig>,
    pub(super) settings: Settings,
    pub(super) links: Arc<LinkRoom>,
    /// Receives control connections; only the coordinator has it.
    pub(super) controls: Option<Mutex<Sender<Event>>>,
}

impl Listener {
    /// Listens on the node's cluster address until the returned listener is stopped.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub(super) fn start(self) -> Result<mesh::Listener, ClusterError> {
        let (node, identity) = (self.config.node().clone(), self.config.identity.clone());
        let listening =
            mesh::Listener::start(&node.addresses, identity, move |first, connection| {
                let Message::Hello(hello) = first else { return };
                match self.refusal(&hello, &connection) {
                    None => self.take(hello, connection),
                    Some(reason) => Message::refuse(&connection, reason),
                }
            });
        listening.map_err(|reason| ClusterError::Listen { address: node.address, reason })
    }

    /// Why the sender of a hello cannot be connected.
    fn refusal(&self, hello: &Hello, connection: &Connection) -> Option<String> {
        let own = self.config.node().id;
        if hello.cluster != self.config.cluster {
            let (theirs, ours) = (&hello.cluster, &self.config.cluster);
            return Some(format!(
                "this is cluster '{ours}', not '{theirs}'; give all nodes the same cluster file"
            ));
        }
        if hello.to != own {
            let to = hello.to;
            return Some(format!(
                "this is node {own}, not {to}; give all nodes the same cluster file"
            ));
        }
        if self.config.find(hello.from).is_none() {
            return Some(format!("the cluster file of node {own} has no node {}", hello.from));
        }
        if let Err(error) = connection.check_peer(hello.from) {
            return Some(error.to_string());
        }
        if let Some(reason) = clock_difference::refusal(hello.machine_ms, &Clock::system(), own) {
            return Some(reason);
        }
        let [what, theirs, ours] = self.settings.difference(&hello.settings)?;
        Some(format!("its {what} is {theirs}, and that of node {own} is {ours}; make them equal"))
    }

    fn take(&self, hello: Hello, connection: Connection) {
        match (hello.purpose, &self.controls) {
            (Purpose::Link(generation), _) => self.links.put(hello.from, generation, connection),
            (Purpose::Control, Some(controls)) => {
                let controls = controls.lock().unwrap_or_else(PoisonError::into_inner);
                controls.send(Event::Arrival(hello.from, connection)).unwrap_or_default();
            }
            (Purpose::Control, None) => {
                Message::refuse(&connection, "only node 0 forms the cluster".to_owned());
            }
        }
    }
}
