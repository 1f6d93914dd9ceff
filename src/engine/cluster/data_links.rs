//! Opens the data links: each process connects to those with a lower index.

use std::time::{Duration, Instant};

use super::control::Event;
use super::error::ClusterError;
use super::members::Members;
use super::message::{Message, Purpose};
use crate::mesh::{Connection, WireMessage};

/// How long opening the links may take. All processes run and listen when it begins.
const OPEN_TIME_MAX: Duration = Duration::from_secs(20);

impl Members {
    /// Opens the data links to all other processes for the run with this number.
    pub(super) fn open_links(&mut self, run: u64) -> Result<(), ClusterError> {
        for lower in 0..self.cluster.process {
            let link = self.dial(lower, Purpose::Link { run }, OPEN_TIME_MAX)?;
            self.add_link(lower, link);
        }
        let deadline = Instant::now() + OPEN_TIME_MAX;
        loop {
            let mut first_missing = None;
            for process in self.cluster.process + 1..self.cluster.processes() {
                let opened = self.opened_links.get_mut(process).and_then(Option::take);
                // A link with another number belongs to an earlier run, and is closed.
                if let Some((_, link)) = opened.filter(|(number, _)| *number == run) {
                    let accepted = Message::Accepted.send(&link);
                    accepted.map_err(|error| self.broken(process, error.to_string()))?;
                    self.add_link(process, link);
                }
                let is_missing = self.links.get(process).is_some_and(Option::is_none);
                first_missing = first_missing.or(is_missing.then_some(process));
            }
            let Some(missing) = first_missing else { return Ok(()) };
            if Instant::now() >= deadline {
                return Err(self.broken(missing, "it did not open its data link".to_owned()));
            }
            if let Some(Event::Arrival(hello, connection)) = self.next(Some(deadline))? {
                self.refuse_repeated(hello.from, &connection);
            }
        }
    }

    /// Saves the link to `process` for the workers.
    fn add_link(&mut self, process: usize, link: Connection) {
        self.links.get_mut(process).map(|place| place.replace(link));
    }

    fn broken(&self, process: usize, reason: String) -> ClusterError {
        ClusterError::Lost { process: self.cluster.name(process), reason }
    }
}
