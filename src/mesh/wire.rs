//! The messages between nodes, each a line of JSON.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::Connection;

/// Limit of the first message of a connection, which may come from a stranger.
const FIRST_BYTES_MAX: u64 = 64 << 10;

/// A message between two nodes, which is sent as a line of JSON.
pub trait WireMessage: Serialize + DeserializeOwned {
    /// Limit of each message after the first of a connection, in bytes.
    const BYTES_MAX: u64;

    /// Writes the message to `connection`.
    ///
    /// # Errors
    /// The connection is lost.
    fn send(&self, mut connection: &Connection) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        connection.write_all(&line)
    }

    /// Reads the next message, or `None` at the end of the connection.
    ///
    /// # Errors
    /// The connection is lost, or what arrives is not a message.
    fn receive(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        receive_within(reader, Self::BYTES_MAX)
    }

    /// Reads the first message, which must be complete at `deadline`. Later bytes remain unread.
    ///
    /// # Errors
    /// The connection is lost, or no message arrives in time.
    fn receive_first(connection: &Connection, deadline: Instant) -> io::Result<Self> {
        // A larger buffer would consume the bytes that follow, which are read elsewhere.
        let mut reader = BufReader::with_capacity(1, UntilDeadline { connection, deadline });
        let message = receive_within(&mut reader, FIRST_BYTES_MAX)?;
        connection.set_read_timeout(None)?;
        message.ok_or_else(|| Error::new(ErrorKind::UnexpectedEof, "the connection was closed"))
    }
}

fn receive_within<M: DeserializeOwned>(
    reader: &mut impl BufRead,
    bytes_max: u64,
) -> io::Result<Option<M>> {
    let mut line = Vec::new();
    if reader.take(bytes_max).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if !line.ends_with(b"\n") {
        return Err(Error::new(ErrorKind::InvalidData, "a message was cut off or too long"));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// Reads a connection until a deadline, however slowly its bytes arrive.
struct UntilDeadline<'a> {
    connection: &'a Connection,
    deadline: Instant,
}

impl Read for UntilDeadline<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(ErrorKind::TimedOut, "no reply in time"));
        }
        self.connection.set_read_timeout(Some(left))?;
        (&mut &*self.connection).read(bytes)
    }
}
