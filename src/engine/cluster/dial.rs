//! Connects to another process of the cluster.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::error::ClusterError;
use super::members::Members;
use super::message::{Hello, Message, Purpose};
use crate::mesh::{Connection, ConnectionError, WireMessage};

/// How long one attempt to connect may take, with the TLS handshake.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// The pause between two attempts.
const RETRY: Duration = Duration::from_millis(100);

impl Members {
    /// Connects to process `to`, and repeats that until it accepts or `limit` has passed.
    pub(super) fn dial(
        &mut self,
        to: usize,
        purpose: Purpose,
        limit: Duration,
    ) -> Result<Connection, ClusterError> {
        let hello = Message::Hello(Hello { from: self.cluster.process, to, purpose });
        let (process, deadline) = (self.cluster.name(to), Instant::now() + limit);
        let mut reason = None;
        loop {
            reason = match self.try_dial(to, &hello, deadline) {
                Ok((connection, Message::Accepted)) => return Ok(connection),
                Ok((_, Message::End { error: Some(reason), .. })) => {
                    return Err(ClusterError::Refused { process, reason });
                }
                Ok(_) => Some("it sent an unexpected reply".to_owned()),
                // A process that does not wait any longer has closed its port. What it did before is the cause.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused && reason.is_some() => {
                    reason
                }
                Err(error) => Some(error.to_string()),
            };
            let next = Instant::now() + RETRY;
            if next >= deadline {
                let (seconds, reason) = (limit.as_secs(), reason.unwrap_or_default());
                return Err(ClusterError::Unreachable { process, seconds, reason });
            }
            // Returns early with an error if process 0 ends the run in the meantime.
            self.next(Some(next))?;
        }
    }

    /// Connects to process `to`, sends `hello`, and returns the reply.
    fn try_dial(
        &self,
        to: usize,
        hello: &Message,
        deadline: Instant,
    ) -> io::Result<(Connection, Message)> {
        let addresses = self.cluster.hosts.get(to).map(|host| &host.addresses[..]);
        let (identity, limit) = (self.cluster.identity.as_ref(), Instant::now() + CONNECT_TIME_MAX);
        let connected =
            Connection::connect(addresses.unwrap_or_default(), to, identity, deadline.min(limit));
        let connection = connected.map_err(|error| match error {
            // The message names the process, and thereby its address.
            ConnectionError::Unreachable { error, .. } => error,
            error => io::Error::other(error),
        })?;
        connection.set_write_timeout(Some(CONNECT_TIME_MAX))?;
        hello.send(&connection)?;
        let reply = Message::receive_first(&connection, deadline)?;
        Ok((connection, reply))
    }
}
