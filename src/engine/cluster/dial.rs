//! Connects to another process of the cluster.

use std::io::{self, Error, ErrorKind};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::error::ClusterError;
use super::listener::WRITE_TIME_MAX;
use super::members::Members;
use super::message::{Hello, Message, Purpose};

/// How long one attempt to connect may take.
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
    ) -> Result<TcpStream, ClusterError> {
        let hello = Message::Hello(Hello { from: self.cluster.process, to, purpose });
        let (process, deadline) = (self.cluster.name(to), Instant::now() + limit);
        loop {
            let reason = match self.try_dial(to, &hello, deadline) {
                Ok((stream, Message::Accepted)) => return Ok(stream),
                Ok((_, Message::End { error: Some(reason), .. })) => {
                    return Err(ClusterError::Refused { process, reason });
                }
                Ok(_) => "it sent an unexpected reply".to_owned(),
                Err(error) => error.to_string(),
            };
            let next = Instant::now() + RETRY;
            if next >= deadline {
                let seconds = limit.as_secs();
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
    ) -> io::Result<(TcpStream, Message)> {
        let mut connected = Err(Error::new(ErrorKind::NotFound, "it has no address"));
        for address in self.cluster.hosts.get(to).iter().flat_map(|host| &host.addresses) {
            let limit = deadline.saturating_duration_since(Instant::now()).min(CONNECT_TIME_MAX);
            connected = TcpStream::connect_timeout(address, limit);
            if connected.is_ok() {
                break;
            }
        }
        let stream = connected?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIME_MAX))?;
        hello.send(&stream)?;
        let reply = Message::receive_first(&stream, deadline)?;
        Ok((stream, reply))
    }
}
