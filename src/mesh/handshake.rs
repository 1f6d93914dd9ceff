//! The TLS handshake, which ends at a deadline however slowly the peer sends.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::Connection;

use super::error::ConnectionError;
use super::reason;

/// What the accepting side sends after it has verified the certificate of the connecting side. In TLS 1.3
/// the connecting side would otherwise learn of a refusal only later.
const ACCEPTED: u8 = 1;

/// Performs the handshake of `session` over a blocking socket. The socket's timeouts are changed.
///
/// # Errors
/// A side refuses the other, the peer does not speak TLS, or the deadline has passed.
pub(super) fn shake_hands(
    session: &mut Connection,
    socket: &TcpStream,
    deadline: Instant,
) -> Result<(), ConnectionError> {
    let mut stream = UntilDeadline { socket, deadline };
    let result = match session {
        Connection::Client(_) => {
            complete(session, &mut stream).and_then(|()| receive_acceptance(session, &mut stream))
        }
        Connection::Server(_) => complete(session, &mut stream).and_then(|()| {
            session.writer().write_all(&[ACCEPTED])?;
            complete(session, &mut stream)
        }),
    };
    result.map_err(|error| match error.kind() {
        ErrorKind::TimedOut => ConnectionError::Late,
        _ => ConnectionError::Handshake(reason::handshake(&error)),
    })
}

/// Completes the handshake and sends what is to send.
fn complete(session: &mut Connection, stream: &mut UntilDeadline<'_>) -> io::Result<()> {
    while session.is_handshaking() || session.wants_write() {
        session.complete_io(stream)?;
    }
    Ok(())
}

fn receive_acceptance(session: &mut Connection, stream: &mut UntilDeadline<'_>) -> io::Result<()> {
    loop {
        match session.reader().read_exact(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => session.complete_io(stream)?,
            received => return received,
        };
    }
}

/// A socket whose operations fail with `TimedOut` after a deadline.
struct UntilDeadline<'a> {
    socket: &'a TcpStream,
    deadline: Instant,
}

impl UntilDeadline<'_> {
    /// The time until the deadline.
    fn remaining(&self) -> io::Result<Option<Duration>> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(Some(remaining))
    }
}

/// A socket reports its timeout as `WouldBlock`, which rustls would take for a part of its progress.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        _ => error,
    }
}

impl Read for UntilDeadline<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.remaining()?)?;
        self.socket.read(bytes).map_err(timed_out)
    }
}

impl Write for UntilDeadline<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.remaining()?)?;
        self.socket.write(bytes).map_err(timed_out)
    }

    /// Sends the messages of a flight together. rustls writes once before it returns an error, and the
    /// alert that says why must be part of it. And if the peer refuses the first of several messages and
    /// closes the connection, writing the others would fail before this side reads the alert.
    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.remaining()?)?;
        self.socket.write_vectored(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
