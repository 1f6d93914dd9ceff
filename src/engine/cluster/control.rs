//! What the main thread of a process waits for, and the control connections from which most of it arrives.

use std::io;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::message::{Hello, Message};
use crate::mesh::{self, Connection, Heartbeats, Received};

/// Silence may be much longer than the interval, because a process that was paused for some seconds should
/// not end the run.
pub(super) const HEARTBEATS: Heartbeats =
    Heartbeats { interval: Duration::from_secs(1), silence_max: Duration::from_secs(30) };

/// A control connection.
pub(super) type Control = mesh::Control<Message>;

/// What the main thread of a process waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// A connection that began with a hello.
    Arrival(Hello, Connection),
    /// A message from a process.
    Message(usize, Message),
    /// The control connection to a process is closed, for this reason.
    Closed(usize, String),
    /// A worker of this process has its result.
    WorkerFinished,
    /// The workers of this process end without results, for this reason.
    MeshEnded(String),
}

/// Starts to read and write `connection`, the connection to `process`. Messages are sent to `events`.
pub(super) fn start(
    process: usize,
    connection: Connection,
    events: Sender<Event>,
) -> io::Result<Control> {
    let receive = move |received| {
        let event = match received {
            Received::Message(Message::Heartbeat) => return,
            Received::Message(message) => Event::Message(process, message),
            Received::Closed(reason) => Event::Closed(process, reason),
        };
        events.send(event).unwrap_or_default();
    };
    Control::start(connection, HEARTBEATS, || Message::Heartbeat, receive)
}
