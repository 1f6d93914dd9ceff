//! A member: connects to the coordinator, and is part of the generations that it forms.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::config::ClusterConfig;
use super::control::{self, Control, Received};
use super::dial::dial;
use super::event::{Event, Reply};
use super::generation_file::GenerationFile;
use super::interface::Generations;
use super::links::LinkRoom;
use super::message::{Message, Purpose};
use super::node_id::COORDINATOR;
use super::requests::Requests;
use super::run::Run;
use super::status::Status;
use crate::engine::Settings;
use crate::log::Clock;

/// The pause between two attempts to reach the coordinator.
const RETRY: Duration = Duration::from_millis(200);

/// The pause after the coordinator refused this node.
const REFUSED_RETRY: Duration = Duration::from_secs(1);

/// How long an attempt to reach the coordinator may take.
const DIAL_TIME_MAX: Duration = Duration::from_secs(5);

/// The state of a member.
pub(super) struct Member<G> {
    pub(super) config: Arc<ClusterConfig>,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) links: Arc<LinkRoom>,
    pub(super) newest: Arc<Mutex<GenerationFile>>,
    pub(super) generations: Arc<G>,
    pub(super) status: Status,
    pub(super) events: Receiver<Event>,
    pub(super) sender: Sender<Event>,
    /// The number of connections to the coordinator so far.
    pub(super) connections: u64,
    pub(super) control: Option<Control>,
    /// When to connect again.
    pub(super) retry_at: Instant,
    pub(super) requests: Requests,
    /// The generations that run here: one, and perhaps the one that replaces it.
    pub(super) runs: Vec<Run>,
}

impl<G: Generations> Member<G> {
    /// Is part of the cluster until the node stops.
    pub(super) fn run(mut self) {
        loop {
            let is_alone = self.control.is_none() && self.runs.is_empty();
            let pause = self.retry_at.saturating_duration_since(Instant::now());
            if is_alone && pause.is_zero() {
                self.retry_at = Instant::now() + RETRY;
                self.connect();
                continue;
            }
            let event = match is_alone {
                true => self.events.recv_timeout(pause),
                false => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match event {
                Ok(Event::Received(connection, received)) if connection == self.connections => {
                    self.handle(received);
                }
                Ok(Event::Received(..)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::CaughtUp(generation)) => self.send(Message::CaughtUp { generation }),
                Ok(Event::Ended { generation, reason, is_consequence }) => {
                    self.ended(generation, &reason, is_consequence);
                }
                Ok(Event::Tick(clock_ms)) => {
                    // Where the clock follows a stream, a tick can end after its time.
                    self.clock.follow(clock_ms);
                    self.send(Message::Advance { clock_ms });
                }
                Ok(Event::Shards(report)) => self.send(Message::Shards(report)),
                Ok(Event::Report(report)) => self.send(Message::Report(report)),
                Ok(Event::Change(ban, reply)) => {
                    self.request(reply.into(), |id| Message::Change { id, ban });
                }
                Ok(Event::Switch { rules, is_forced, reply }) => {
                    let rules = &rules;
                    let switch = |id| Message::Switch { id, rules: rules.clone(), is_forced };
                    self.request(reply.into(), switch);
                }
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.end_runs("this node stops");
        while !self.runs.is_empty() {
            match self.events.recv() {
                Ok(Event::Ended { generation, .. }) => {
                    self.runs.retain(|run| run.generation != generation);
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
        // The last report must arrive.
        if let Some(control) = self.control.take() {
            control.close();
        }
    }

    /// Connects to the coordinator, and reports this node as ready.
    fn connect(&mut self) {
        let Some(coordinator) = self.config.find(COORDINATOR) else { return };
        let deadline = Instant::now() + DIAL_TIME_MAX;
        let dialed = dial(&self.config, &self.settings, coordinator, Purpose::Control, deadline);
        self.connections += 1;
        let (number, sender) = (self.connections, self.sender.clone());
        let receive = move |received| {
            sender.send(Event::Received(number, received)).unwrap_or_default();
        };
        let dialed = dialed.map_err(|error| error.to_string());
        let started = dialed.and_then(|connection| {
            let started = control::start(connection, self.clock.clone(), receive);
            started.map_err(|error| format!("cannot start the threads of a connection: {error}"))
        });
        match started {
            Ok(control) => {
                self.control = Some(control);
                self.status.waits("waits for the other nodes");
                self.send(Message::Ready(Box::new(self.ready())));
            }
            Err(reason) => self.status.disconnected(&reason),
        }
    }

    /// Sends a request to the coordinator. Without a coordinator, `reply` is dropped.
    fn request(&mut self, reply: Reply, message: impl FnOnce(u64) -> Message) {
        if self.control.is_some() {
            let id = self.requests.add(reply);
            self.send(message(id));
        }
    }

    /// Sends a message to the coordinator, if it is connected.
    pub(super) fn send(&self, message: Message) {
        if let Some(control) = &self.control {
            control.send(message);
        }
    }

    fn handle(&mut self, received: Received) {
        let message = match received {
            Received::Message(message) => message,
            Received::Closed(reason) => {
                self.control = None;
                self.requests.clear();
                let reason = format!("node {COORDINATOR} is lost: {reason}");
                self.status.disconnected(&reason);
                return self.end_runs(&reason);
            }
        };
        match message {
            Message::Advance { clock_ms } => {
                self.clock.follow(clock_ms);
                self.generations.advance();
            }
            Message::Shards(report) => self.generations.shards(&report),
            Message::Persist { number, ban } => {
                let error = self.generations.persist(ban).err();
                self.send(Message::Persisted { number, error });
            }
            Message::Apply { number } => {
                self.send(Message::Applied { number, result: self.generations.apply() });
                // The answers have it when all logs have advanced.
                self.generations.advance();
                self.send(Message::Advance { clock_ms: self.clock.now() });
            }
            Message::Changed { id, result } => self.requests.changed(id, result),
            Message::Switched { id, result } => self.requests.switched(id, result),
            Message::View(nodes) => self.status.view(nodes),
            Message::Form(plan) => self.start(plan),
            Message::Live { generation } => self.let_live(generation),
            Message::End { generation, reason } => self.end(generation, &reason),
            Message::Refused(reason) => {
                self.control = None;
                // What follows on this connection is no other reason.
                self.connections += 1;
                self.retry_at = Instant::now() + REFUSED_RETRY;
                self.status
                    .disconnected(&format!("node {COORDINATOR} refused this node: {reason}"));
            }
            _ => {}
        }
    }

    pub(super) fn newest(&self) -> MutexGuard<'_, GenerationFile> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
