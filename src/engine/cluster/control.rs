//! A control connection: one thread reads it, another writes queued messages and heartbeats.

use std::io::{self, BufReader, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::message::{Hello, Message};

/// The interval of heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A process that sends nothing for this long is lost. It is much longer than the interval, because a
/// process that was paused for some seconds should not end the run.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What the main thread of a process waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// A connection that began with a hello.
    Arrival(Hello, TcpStream),
    /// A message from a process.
    Message(usize, Message),
    /// The control connection to a process is closed, for this reason.
    Closed(usize, String),
    /// The data link to a process broke, for this reason.
    LinkLost(usize, String),
    /// All workers of this process have ended.
    WorkersEnded,
}

/// A control connection. Dropping it closes the connection after all queued messages.
#[derive(Debug)]
pub(super) struct Control {
    messages: Sender<Message>,
    writer: JoinHandle<()>,
}

impl Control {
    /// Starts to read and write `stream`, the connection to `process`. Messages are sent to `events`. The
    /// process is lost when it is silent for `silence_max`.
    pub(super) fn start(
        process: usize,
        stream: TcpStream,
        events: Sender<Event>,
        silence_max: Duration,
    ) -> io::Result<Self> {
        stream.set_read_timeout(Some(silence_max))?;
        let (messages, queue) = channel();
        let out = stream.try_clone()?;
        let writer = thread::Builder::new().name(format!("control-{process}"));
        let writer = writer.spawn(move || write(&out, &queue))?;
        let reader = thread::Builder::new().name(format!("control-{process}"));
        reader.spawn(move || read(process, &stream, &events, silence_max))?;
        Ok(Self { messages, writer })
    }

    /// Queues a message. It is dropped if the connection is broken.
    pub(super) fn send(&self, message: Message) {
        self.messages.send(message).unwrap_or_default();
    }

    /// Closes the connection, and returns when all messages are written or cannot be written.
    pub(super) fn close(self) {
        drop(self.messages);
        self.writer.join().unwrap_or_default();
    }
}

fn write(stream: &TcpStream, messages: &Receiver<Message>) {
    loop {
        let message = match messages.recv_timeout(HEARTBEAT) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => Message::Heartbeat,
            Err(RecvTimeoutError::Disconnected) => {
                return stream.shutdown(Shutdown::Write).unwrap_or_default();
            }
        };
        // The reader notices a broken connection, too, and reports it.
        if message.send(stream).is_err() {
            return;
        }
    }
}

fn read(process: usize, stream: &TcpStream, events: &Sender<Event>, silence_max: Duration) {
    let mut reader = BufReader::new(stream);
    let reason = loop {
        match Message::receive(&mut reader) {
            Ok(Some(Message::Heartbeat)) => {}
            Ok(Some(message)) => {
                if events.send(Event::Message(process, message)).is_err() {
                    return;
                }
            }
            Ok(None) => break "its connection was closed".to_owned(),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    break format!("it sent nothing for {} s", silence_max.as_secs());
                }
                _ => break error.to_string(),
            },
        }
    };
    events.send(Event::Closed(process, reason)).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::mpsc;

    use super::*;

    /// Both ends of a connection.
    fn connection() -> [TcpStream; 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        [client, listener.accept().unwrap().0]
    }

    #[test]
    fn a_process_that_sends_nothing_is_lost_and_one_with_heartbeats_is_not() {
        let (events, received) = mpsc::channel();
        let start = |process, stream, silence_max| {
            Control::start(process, stream, events.clone(), silence_max).unwrap()
        };
        let [[silent, _stopped], [here, there]] = [connection(), connection()];
        let _live = start(2, there, 3 * HEARTBEAT);
        let control = start(1, here, 3 * HEARTBEAT);
        let _silent = start(3, silent, 3 * HEARTBEAT);
        let lost = received.recv().unwrap();
        assert!(
            matches!(&lost, Event::Closed(3, reason) if reason.contains("nothing for 3 s")),
            "{lost:?}"
        );

        // Messages that are queued when a connection closes still arrive, before its end.
        control.send(Message::Failed("disk full".to_owned()));
        control.close();
        let failed = received.recv().unwrap();
        assert!(
            matches!(&failed, Event::Message(2, Message::Failed(reason)) if reason == "disk full")
        );
        assert!(matches!(received.recv().unwrap(), Event::Closed(2, _)));
    }

    #[test]
    fn what_is_no_message_ends_the_connection() {
        for bytes in ["{}\n", "GET / HTTP/1.1\r\n\r\n", "\"heartbeat\"\n{"] {
            let (events, received) = mpsc::channel();
            let [here, mut there] = connection();
            let _control = Control::start(1, here, events, 60 * HEARTBEAT).unwrap();
            there.write_all(bytes.as_bytes()).unwrap();
            there.shutdown(Shutdown::Write).unwrap();
            assert!(matches!(received.recv().unwrap(), Event::Closed(1, _)), "{bytes}");
        }
    }
}
