//! The processes of a cluster, as one of them sees the others. It notices when one is lost.

use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::control::{Control, Event, SILENCE_MAX};
use super::error::ClusterError;
use super::hosts::Cluster;
use super::listener::refuse;
use super::message::{Hello, Message, Purpose};

/// How long a process waits for process 0 to explain a broken data link.
const EXPLANATION_TIME_MAX: Duration = Duration::from_secs(5);

/// The processes of a formed cluster.
#[derive(Debug)]
pub struct Members {
    pub(super) cluster: Cluster,
    /// The control connection to each process. Process 0 has all others, and they have only process 0.
    pub(super) controls: Vec<Option<Control>>,
    /// The data link to each other process, until the workers use it.
    pub(super) links: Vec<Option<TcpStream>>,
    /// The last connection that each process opened as a data link, with the number of its run.
    pub(super) opened_links: Vec<Option<(u64, TcpStream)>>,
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
        stream: TcpStream,
    ) -> Result<(), ClusterError> {
        let control = Control::start(process, stream, self.sender.clone(), SILENCE_MAX);
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
            // The run is over, and this process has yet to end its workers.
            Event::Closed(..) if self.status.is_some() => Ok(None),
            Event::Closed(from, reason) => {
                let lost = ClusterError::Lost { process: name(from), reason };
                self.controls.get_mut(from).map(Option::take);
                Err(lost)
            }
            Event::Arrival(Hello { from, purpose: Purpose::Link { run }, .. }, stream) => {
                self.opened_links.get_mut(from).map(|link| link.replace((run, stream)));
                Ok(None)
            }
            Event::Message(_, Message::End { status, error: None }) => {
                self.status = Some(status);
                Ok(None)
            }
            event => Ok(Some(event)),
        }
    }

    /// Waits until all workers of this process have ended.
    ///
    /// # Errors
    /// When another process is lost or failed.
    pub(super) fn wait_for_workers(&mut self) -> Result<(), ClusterError> {
        // When one process is lost, the others close their links too. So a broken link does not show
        // which process was lost first. Process 0 knows it, or its own control connections show it.
        let mut broken: Option<(ClusterError, Instant)> = None;
        loop {
            match self.next(broken.as_ref().map(|(_, deadline)| *deadline))? {
                Some(Event::WorkersEnded) => return Ok(()),
                Some(Event::LinkLost(process, reason)) if broken.is_none() => {
                    let lost = ClusterError::Lost { process: self.cluster.name(process), reason };
                    broken = Some((lost, Instant::now() + EXPLANATION_TIME_MAX));
                }
                Some(Event::Arrival(hello, stream)) => {
                    self.refuse_repeated(hello.from, &stream);
                }
                _ => {}
            }
            match broken {
                Some((lost, deadline)) if Instant::now() >= deadline => return Err(lost),
                _ => {}
            }
        }
    }

    /// Refuses a second process with the index `from`.
    pub(super) fn refuse_repeated(&self, from: usize, stream: &TcpStream) {
        refuse(
            stream,
            format!("the run has a process {from} already; give each process its own -p"),
        );
    }
}
