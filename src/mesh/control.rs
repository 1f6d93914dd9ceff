//! A control connection: one thread reads it, another writes queued messages and heartbeats.
//!
//! Neither thread touches a disk, because a slow disk must not look like a lost node.

use std::io::{self, BufReader, ErrorKind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::connection::Connection;
use super::wire::WireMessage;

/// How often a side of a control connection shows that it lives.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeats {
    /// The interval at which heartbeats are sent while there is nothing else to send.
    pub interval: Duration,
    /// A peer that sends or accepts nothing for this long is lost.
    pub silence_max: Duration,
}

/// What arrives on a control connection.
#[derive(Debug)]
pub enum Received<M> {
    /// A message, which may be a heartbeat.
    Message(M),
    /// The connection is closed for this reason. Nothing follows.
    Closed(String),
}

/// A control connection. Dropping it closes the connection after all queued messages.
#[derive(Debug)]
pub struct Control<M> {
    messages: Sender<M>,
    writer: JoinHandle<()>,
}

impl<M: WireMessage + Send + 'static> Control<M> {
    /// Starts to read and write `connection`. `heartbeat` makes the heartbeats. `receive` is called with
    /// what arrives, on a thread of its own.
    ///
    /// # Errors
    /// The connection is lost, or the system refuses a thread.
    pub fn start(
        connection: Connection,
        heartbeats: Heartbeats,
        heartbeat: impl Fn() -> M + Send + 'static,
        receive: impl Fn(Received<M>) + Send + 'static,
    ) -> io::Result<Self> {
        let Heartbeats { interval, silence_max } = heartbeats;
        connection.set_read_timeout(Some(silence_max))?;
        connection.set_write_timeout(Some(silence_max))?;
        let (messages, queue) = channel();
        let out = connection.clone();
        let writer = thread::Builder::new().name("control-write".to_owned());
        let writer = writer.spawn(move || write(&out, interval, heartbeat, &queue))?;
        let reader = thread::Builder::new().name("control-read".to_owned());
        reader.spawn(move || receive_all(&connection, silence_max, receive))?;
        Ok(Self { messages, writer })
    }

    /// Queues a message. It is dropped if the connection is broken.
    pub fn send(&self, message: M) {
        self.messages.send(message).unwrap_or_default();
    }

    /// Closes the connection, and returns when all messages are written or cannot be written.
    pub fn close(self) {
        drop(self.messages);
        self.writer.join().unwrap_or_default();
    }
}

fn write<M: WireMessage>(
    connection: &Connection,
    interval: Duration,
    heartbeat: impl Fn() -> M,
    messages: &Receiver<M>,
) {
    loop {
        let message = match messages.recv_timeout(interval) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => heartbeat(),
            // The reader reads on until the peer closes, too. If this side closed the connection while
            // bytes of the peer are unread, the system would discard the last messages on their way.
            Err(RecvTimeoutError::Disconnected) => return connection.shutdown_write(),
        };
        if message.send(connection).is_err() {
            // The reader, if it still runs, reports the end.
            return connection.shutdown();
        }
    }
}

fn receive_all<M: WireMessage>(
    connection: &Connection,
    silence_max: Duration,
    receive: impl Fn(Received<M>),
) {
    let mut reader = BufReader::new(connection);
    let reason = loop {
        match M::receive(&mut reader) {
            Ok(Some(message)) => receive(Received::Message(message)),
            Ok(None) => break "its connection was closed".to_owned(),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    break format!("it sent nothing for {} s", silence_max.as_secs());
                }
                _ => break error.to_string(),
            },
        }
    };
    connection.shutdown();
    receive(Received::Closed(reason));
}
