//! The coordinator, on node 0: connects the nodes, and handles what they send.

use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use metrics::gauge;

use super::changes::Changes;
use super::config::ClusterConfig;
use super::control::{self, Control, Received};
use super::dial::name;
use super::error::ClusterError;
use super::formed::{Formed, SwitchRequest};
use super::generation_file::GenerationFile;
use super::message::{Message, Ready};
use super::node_id::NodeId;
use super::sequences::Sequences;
use super::view::{NodeView, Report};
use crate::log::Clock;
use crate::mesh::{Connection, WireMessage};

/// Why bans and rules cannot be changed while no generation runs.
pub const NO_GENERATION: &str = "the cluster has no generation that runs; try again in a second";

/// What the coordinator waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// A control connection from the node with this id, whose hello is valid.
    Arrival(NodeId, Connection),
    /// What arrived from the node at this position.
    Received(usize, Received),
    /// The node stops.
    Stop,
}

/// The state of the coordinator.
pub(super) struct Coordinator {
    pub(super) config: Arc<ClusterConfig>,
    pub(super) clock: Clock,
    events: Receiver<Event>,
    sender: Sender<Event>,
    /// One for each node, in their order.
    pub(super) members: Vec<Member>,
    newest: Arc<Mutex<GenerationFile>>,
    /// The generation that answers reads, or will.
    pub(super) current: Option<Formed>,
    /// The generation that replaces it when it has caught up, under other rules, and the request for it.
    pub(super) standby: Option<(Formed, SwitchRequest)>,
    pub(super) changes: Changes,
}

/// A node, as the coordinator sees it.
#[derive(Debug, Default)]
pub(super) struct Member {
    control: Option<Control>,
    pub(super) ready: Option<Ready>,
    /// Its last report, also after it was lost.
    pub(super) report: Option<Report>,
    /// Why it was refused the last time, until it is part of a generation.
    pub(super) refused: Option<String>,
}

impl Coordinator {
    /// Starts the thread of the coordinator.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        config: Arc<ClusterConfig>,
        clock: Clock,
        newest: Arc<Mutex<GenerationFile>>,
    ) -> Result<(JoinHandle<()>, Sender<Event>), ClusterError> {
        let (sender, events) = channel();
        let members = config.nodes.iter().map(|_| Member::default()).collect();
        let this = Self {
            config,
            clock,
            events,
            sender: sender.clone(),
            members,
            newest,
            current: None,
            standby: None,
            changes: Changes::default(),
        };
        let thread = thread::Builder::new().name("coordinator".to_owned());
        let running = thread.spawn(move || this.run()).map_err(ClusterError::Thread)?;
        Ok((running, sender))
    }

    /// Records what the node at `position` last reported to be archived: a node that stops archives more, and is lost
    /// before the reporter records it.
    fn record_archived(&self, position: usize) {
        let Some(report) = &self.members[position].report else { return };
        let archived = Sequences::from([(self.config.nodes[position].id, report.archived)]);
        // If it cannot be written now, the generation that forms next says why.
        self.newest().raise_archived(&archived).unwrap_or_default();
    }

    /// Forms and ends generations until the node stops.
    fn run(mut self) {
        while let Ok(event) = self.events.recv() {
            match event {
                Event::Arrival(node, connection) => self.admit(node, connection),
                Event::Received(position, Received::Message(message)) => {
                    self.handle(position, message);
                }
                Event::Received(position, Received::Closed(reason)) => {
                    self.record_archived(position);
                    // If it comes back with another archive, which it accepts, what it archived before does not count.
                    let Member { report, refused, .. } = mem::take(&mut self.members[position]);
                    let report = report.map(|report| Report { archived: 0, ..report });
                    let is_refused = refused.is_some();
                    self.members[position] = Member { report, refused, ..Member::default() };
                    // First, so that readers learn for which node the cluster waits.
                    self.send_view();
                    // A node that was refused was part of no generation, and has closed its connection for that.
                    if !is_refused {
                        self.lost(&format!("{} is lost: {reason}", self.name(position)));
                    }
                }
                Event::Stop => break,
            }
        }
        // The last view must arrive.
        let controls = self.members.drain(..).filter_map(|member| member.control);
        controls.for_each(Control::close);
    }

    /// Starts the control connection of a node, unless the node has one.
    fn admit(&mut self, id: NodeId, connection: Connection) {
        let position = self.config.nodes.iter().position(|node| node.id == id);
        let Some(position) = position else { return };
        if self.members[position].control.is_some() {
            let reason = format!("the cluster has a node {id} already; give each its own --node");
            return Message::refuse(&connection, reason);
        }
        if Message::Accepted.send(&connection).is_err() {
            return;
        }
        let sender = self.sender.clone();
        let receive = move |received| {
            sender.send(Event::Received(position, received)).unwrap_or_default();
        };
        match control::start(connection, self.clock.clone(), receive) {
            Ok(control) => {
                self.members[position].control = Some(control);
                self.send_view();
            }
            Err(error) => tracing::error!(%error, "cannot start the threads of a connection"),
        }
    }

    /// Refuses the node at `position`, which reports it and tries again. Another reason than the last is logged.
    pub(super) fn refuse(&mut self, position: usize, reason: String) {
        let text = format!("{} is refused: {reason}", self.name(position));
        let member = &mut self.members[position];
        member.ready = None;
        if member.refused.as_ref() != Some(&reason) {
            tracing::warn!("{text}");
            member.refused = Some(reason.clone());
        }
        self.send(position, || Message::Refused(reason.clone()));
        // Readers learn for whom the cluster waits, and why.
        let generation = self.newest().number();
        self.send_others(position, || Message::End { generation, reason: text.clone() });
    }

    /// Sends all nodes what is known of them.
    pub(super) fn send_view(&self) {
        let view = |member: &Member| NodeView {
            is_connected: Some(member.control.is_some()),
            report: member.report.clone(),
        };
        let nodes: Vec<_> = self.members.iter().map(view).collect();
        let connected = self.members.iter().filter(|member| member.control.is_some()).count();
        gauge!("velodrome_cluster_nodes_connected").set(connected as f64);
        self.send_all(|| Message::View(nodes.clone()));
    }

    /// Sends a message to the node at `position`, if it is connected.
    pub(super) fn send(&self, position: usize, message: impl Fn() -> Message) {
        if let Some(control) = &self.members[position].control {
            control.send(message());
        }
    }

    /// Sends a message to all nodes that are connected.
    pub(super) fn send_all(&self, message: impl Fn() -> Message) {
        (0..self.members.len()).for_each(|position| self.send(position, &message));
    }

    /// Sends a message to all nodes that are connected, except the one at `position`.
    pub(super) fn send_others(&self, position: usize, message: impl Fn() -> Message) {
        let others = (0..self.members.len()).filter(|other| *other != position);
        others.for_each(|other| self.send(other, &message));
    }

    /// The name of the node at `position`.
    pub(super) fn name(&self, position: usize) -> String {
        name(&self.config.nodes[position])
    }

    pub(super) fn newest(&self) -> MutexGuard<'_, GenerationFile> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
