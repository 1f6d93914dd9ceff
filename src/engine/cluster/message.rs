//! The messages between processes, each a line of JSON.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::settings::Settings;

/// Limit of the first message of a connection, which may come from a stranger.
const HELLO_BYTES_MAX: u64 = 64 << 10;

/// Limit of a later message. The longest is a list of inputs: of millions of them at this size.
const MESSAGE_BYTES_MAX: u64 = 256 << 20;

/// A message between two processes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Message {
    /// The first message of a connection, from the process that opened it.
    Hello(Hello),
    /// The reply to a valid hello.
    Accepted,
    /// From process 0: send your list of inputs, because it differs from mine.
    ListInputs,
    /// The reply to `ListInputs`.
    Inputs(Vec<String>),
    /// From process 0: all processes are admitted; open the data links of this run.
    Form { run: u64 },
    /// Nothing but a sign of life.
    Heartbeat,
    /// To process 0: the sender failed with this error.
    Failed(String),
    /// The end of the run with this exit status, and an error if it failed; or the refusal of a hello.
    End { status: u8, error: Option<String> },
}

/// The start of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The process that opened the connection.
    pub(super) from: usize,
    /// The process that it wants to reach.
    pub(super) to: usize,
    pub(super) purpose: Purpose,
}

/// What a connection is for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Purpose {
    /// The control connection of a process with these settings, to process 0.
    Control(Settings),
    /// A data link of a run. Only its members know its number.
    Link { run: u64 },
}

impl Message {
    /// Writes the message to `stream`.
    pub(super) fn send(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        stream.write_all(&line)
    }

    /// Reads the next message, or `None` at the end of the connection.
    pub(super) fn receive(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        Self::receive_within(reader, MESSAGE_BYTES_MAX)
    }

    /// Reads the first message, which must be complete at `deadline`. Later bytes remain unread.
    pub(super) fn receive_first(stream: &TcpStream, deadline: Instant) -> io::Result<Self> {
        // A larger buffer would consume the bytes that follow, which are read elsewhere.
        let mut reader = BufReader::with_capacity(1, UntilDeadline { stream, deadline });
        let message = Self::receive_within(&mut reader, HELLO_BYTES_MAX)?;
        stream.set_read_timeout(None)?;
        message.ok_or_else(|| Error::new(ErrorKind::UnexpectedEof, "the connection was closed"))
    }

    fn receive_within(reader: &mut impl BufRead, bytes_max: u64) -> io::Result<Option<Self>> {
        let mut line = Vec::new();
        if reader.take(bytes_max).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if !line.ends_with(b"\n") {
            return Err(Error::new(ErrorKind::InvalidData, "a message was cut off or too long"));
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

/// Reads a stream until a deadline, however slowly its bytes arrive.
struct UntilDeadline<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl Read for UntilDeadline<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(ErrorKind::TimedOut, "no reply in time"));
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(bytes)
    }
}
