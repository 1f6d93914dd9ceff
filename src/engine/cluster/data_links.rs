//! Opens the data links: each process connects to those with a lower index.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};

use super::control::Event;
use super::error::ClusterError;
use super::members::Members;
use super::message::{Message, Purpose};

/// How long opening the links may take. All processes run and listen when it begins.
const OPEN_TIME_MAX: Duration = Duration::from_secs(20);

impl Members {
    /// Opens the data links to all other processes for the run with this number.
    pub(super) fn open_links(&mut self, run: u64) -> Result<(), ClusterError> {
        for lower in 0..self.cluster.process {
            let stream = self.dial(lower, Purpose::Link { run }, OPEN_TIME_MAX)?;
            self.add_link(lower, stream)?;
        }
        let deadline = Instant::now() + OPEN_TIME_MAX;
        loop {
            let mut first_missing = None;
            for process in self.cluster.process + 1..self.cluster.processes() {
                let opened = self.opened_links.get_mut(process).and_then(Option::take);
                // A link with another number belongs to an earlier run, and is closed.
                if let Some((_, stream)) = opened.filter(|(number, _)| *number == run) {
                    let accepted = Message::Accepted.send(&stream);
                    accepted.map_err(|error| self.broken(process, error.to_string()))?;
                    self.add_link(process, stream)?;
                }
                let is_missing = self.links.get(process).is_some_and(Option::is_none);
                first_missing = first_missing.or(is_missing.then_some(process));
            }
            let Some(missing) = first_missing else { return Ok(()) };
            if Instant::now() >= deadline {
                return Err(self.broken(missing, "it did not open its data link".to_owned()));
            }
            if let Some(Event::Arrival(hello, stream)) = self.next(Some(deadline))? {
                self.refuse_repeated(hello.from, &stream);
            }
        }
    }

    /// Saves the link to `process` for the workers. They may wait on it without limit, so a host that
    /// disappears must be noticed by its missing replies.
    fn add_link(&mut self, process: usize, stream: TcpStream) -> Result<(), ClusterError> {
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(10))
            .with_interval(Duration::from_secs(5))
            .with_retries(4);
        let prepared = SockRef::from(&stream)
            .set_tcp_keepalive(&keepalive)
            .and_then(|()| stream.set_read_timeout(None))
            .and_then(|()| stream.set_write_timeout(None));
        prepared.map_err(|error| self.broken(process, error.to_string()))?;
        self.links.get_mut(process).map(|link| link.replace(stream));
        Ok(())
    }

    fn broken(&self, process: usize, reason: String) -> ClusterError {
        ClusterError::Lost { process: self.cluster.name(process), reason }
    }
}
