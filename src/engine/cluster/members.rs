//! The processes of a cluster, as one of them sees the others. It notices when one is lost.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::control::{self, Control, Event};
use super::error::ClusterError;
use super::hosts::Cluster;
use super::listener::refuse;
use super::message::{Hello, Message, Purpose};
use crate::mesh::Connection;

/// How long a process waits for process 0 to explain a broken data link.
const EXPLANATION_TIME_MAX: Duration = Duration::from_secs(5);

/// The processes of a formed cluster.
#[derive(Debug)]
pub struct Members {
    pub(super) cluster: Cluster,
    /// The control connection to each process. Process 0 has all others, and they have only process 0.
    pub(super) controls: Vec<Option<Control>>,
    /// The data link to each other process, until the workers use it.
    pub(super) links: Vec<Option<Connection>>,
    /// The last connection that each process opened as a data link, with the number of its run.
    pub(super) opened_links: Vec<Option<(u64, Connection)>>,
    pub(super) events: Receiver<Event>,
    pub(super) sender: Sender<Event>,
    /// The exit status of a run that process 0 has ended without an error.
    pub(super) status: Option<u8>,
}

impl Members {
    /// This process alone, without connections.
    pub(super) fn alone(cluster: Cluster) -> Self {
        let processes = cluster.processes();
        let (sender, events) = channel();
        Self {
            cluster,
            controls: (0..processes).map(|_| None).collect(),
            links: (0..processes).map(|_| None).collect(),
            opened_links: (0..processes).map(|_| None).collect(),
            events,
            sender,
            status: None,
        }
    }

    /// The size of the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Starts the control connection to a process.
    pub(super) fn start_control(
        &mut self,
        process: usize,
        connection: Connection,
    ) -> Result<(), ClusterError> {
        let control = control::start(process, connection, self.sender.clone());
        let control = control.map_err(|error| ClusterError::Start(error.to_string()))?;
        self.controls.get_mut(process).map(|place| place.replace(control));
        Ok(())
    }

    /// Sends a message to a process, if it has a control connection.
    pub(super) fn send(&self, process: usize, message: Message) {
        if let Some(Some(control)) = self.controls.get(process) {
            control.send(message);
        }
    }

    /// The next event, or `None` at `deadline` and after events that only change the state of `self`.
    ///
    /// # Errors
    /// When another process is lost or failed, and when process 0 ended the run with an error.
    pub(super) fn next(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<Event>, ClusterError> {
        let event = match deadline {
            None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => {
                self.events.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
        };
        // `self.sender` keeps the channel connected.
        let Ok(event) = event else { return Ok(None) };
        let name = |process| self.cluster.name(process);
        match event {
            Event::Message(from, Message::Failed(reason)) => {
                Err(ClusterError::Failed { process: name(from), reason })
            }
            Event::Message(from, Message::End { error: Some(reason), .. }) => {
                Err(ClusterError::Ended { process: name(from), reason })
            }
            Event::Closed(from, reason) => {
                let lost = ClusterError::Lost { process: name(from), reason };
                self.controls.get_mut(from).map(Option::take);
                Err(lost)
            }
            Event::Arrival(Hello { from, purpose: Purpose::Link { run }, .. }, connection) => {
                self.opened_links.get_mut(from).map(|link| link.replace((run, connection)));
                Ok(None)
            }
            Event::Message(_, Message::End { status, error: None }) => {
                self.status = Some(status);
                Ok(None)
            }
            event => Ok(Some(event)),
        }
    }

    /// Waits until all workers of all processes have their results.
    ///
    /// # Errors
    /// When another process is lost or failed, and when the workers of this process ended without results.
    pub(super) fn wait_for_results(&mut self) -> Result<(), ClusterError> {
        let is_first = self.cluster.process == 0;
        // Process 0 waits for all others, and they wait for process 0.
        let others = if is_first { self.cluster.processes() - 1 } else { 1 };
        let (mut running, mut finished) = (self.cluster.workers, BTreeSet::new());
        // When one process is lost, the others close their links too. So a broken link does not show
        // which process was lost first. Process 0 knows it, or its own control connections show it.
        let mut broken: Option<(String, Instant)> = None;
        while running > 0 || finished.len() < others {
            match self.next(broken.as_ref().map(|(_, deadline)| *deadline))? {
                Some(Event::WorkerFinished) => {
                    running -= 1;
                    if running == 0 && !is_first {
                        self.send(0, Message::Finished);
                    }
                }
                Some(Event::Message(from, Message::Finished)) => _ = finished.insert(from),
                // Without running workers, this process needs no links.
                Some(Event::MeshEnded(reason)) if running > 0 => {
                    broken = Some((reason, Instant::now() + EXPLANATION_TIME_MAX));
                }
                Some(Event::Arrival(hello, connection)) => {
                    self.refuse_repeated(hello.from, &connection);
                }
                _ => {}
            }
            if let Some((reason, _)) = broken.take_if(|(_, deadline)| Instant::now() >= *deadline) {
                return Err(ClusterError::Broken(reason));
            }
        }
        // On process 0: the other processes need no links any more.
        (1..self.controls.len()).for_each(|process| self.send(process, Message::Finished));
        Ok(())
    }

    /// Refuses a second process with the index `from`.
    pub(super) fn refuse_repeated(&self, from: usize, connection: &Connection) {
        refuse(
            connection,
            format!("the run has a process {from} already; give each process its own -p"),
        );
    }
}
