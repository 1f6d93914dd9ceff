//! A control connection: one thread reads it, another writes queued messages and heartbeats.
//!
//! Neither thread touches a disk, because a slow disk must not look like a lost node.

use std::io::{BufReader, ErrorKind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::message::Message;
use crate::log::Clock;
use crate::mesh::Connection;

/// The interval of heartbeats. A node whose clock is late follows the others at this interval.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// A node that sends nothing for this long is lost.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(5);

/// What arrives on a control connection.
#[derive(Debug)]
pub(super) enum Received {
    Message(Message),
    /// The connection is closed for this reason. Nothing follows.
    Closed(String),
}

/// A control connection. Dropping it closes the connection after all queued messages.
#[derive(Debug)]
pub(super) struct Control {
    messages: Sender<Message>,
}

impl Control {
    /// Starts to read and write `connection`. `receive` is called with what arrives, on a thread of its own. Heartbeats
    /// carry the time of `clock`, which follows those that arrive.
    pub(super) fn start(
        connection: Connection,
        clock: Clock,
        receive: impl Fn(Received) + Send + 'static,
    ) -> std::io::Result<Self> {
        connection.set_read_timeout(Some(SILENCE_MAX))?;
        connection.set_write_timeout(Some(SILENCE_MAX))?;
        let (messages, queue) = channel();
        let (out, own_clock) = (connection.clone(), clock.clone());
        let writer = thread::Builder::new().name("control-write".to_owned());
        writer.spawn(move || write(&out, &own_clock, &queue))?;
        let reader = thread::Builder::new().name("control-read".to_owned());
        reader.spawn(move || receive_all(&connection, &clock, receive))?;
        Ok(Self { messages })
    }

    /// Queues a message. It is dropped if the connection is broken.
    pub(super) fn send(&self, message: Message) {
        self.messages.send(message).unwrap_or_default();
    }
}

fn write(connection: &Connection, clock: &Clock, messages: &Receiver<Message>) {
    loop {
        let message = match messages.recv_timeout(HEARTBEAT) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => Message::Heartbeat { clock_ms: clock.now() },
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if message.send(connection).is_err() {
            break;
        }
    }
    // The reader, if it still runs, reports the end.
    connection.shutdown();
}

fn receive_all(connection: &Connection, clock: &Clock, receive: impl Fn(Received)) {
    let mut reader = BufReader::new(connection);
    let reason = loop {
        match Message::receive(&mut reader) {
            Ok(Some(Message::Heartbeat { clock_ms })) => clock.follow(clock_ms),
            Ok(Some(message)) => receive(Received::Message(message)),
            Ok(None) => break "its connection was closed".to_owned(),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    break format!("it sent nothing for {} s", SILENCE_MAX.as_secs());
                }
                _ => break error.to_string(),
            },
        }
    };
    connection.shutdown();
    receive(Received::Closed(reason));
}
