//! The end of a run: all processes end with the outcome of process 0.

use std::time::{Duration, Instant};

use super::control::{Control, Event};
use super::error::ClusterError;
use super::members::Members;
use super::message::Message;

/// How long a process waits for the others to confirm the end.
const CONFIRM_TIME_MAX: Duration = Duration::from_secs(5);

impl Members {
    /// Ends the run in all processes with the outcome of process 0, which is an exit status or an error.
    /// Returns the exit status.
    ///
    /// In other processes `outcome` only matters if it is an error, which also ends the run.
    ///
    /// # Errors
    /// In processes other than 0: when process 0 ended with an error or is lost.
    pub fn end(mut self, outcome: Result<u8, String>) -> Result<u8, ClusterError> {
        let (status, error) = match outcome {
            Ok(status) => (status, None),
            Err(error) => (2, Some(error)),
        };
        match (self.cluster.process, error) {
            (0, error) => {
                self.end_all(status, error);
                Ok(status)
            }
            (_, Some(error)) => {
                self.report_failure(error);
                Ok(status)
            }
            (_, None) => loop {
                match self.status {
                    Some(status) => return Ok(status),
                    None => self.next(None)?,
                };
            },
        }
    }

    /// Sends the end to all processes, and waits until they have received it.
    fn end_all(&mut self, status: u8, error: Option<String>) {
        let controls: Vec<_> = self.controls.iter_mut().filter_map(Option::take).collect();
        for control in &controls {
            control.send(Message::End { status, error: error.clone() });
        }
        // A process closes its connection when it has received the end. Ours must stay open until then:
        // closing it with unread heartbeats would discard the end on its way.
        let (mut open, deadline) = (controls.len(), Instant::now() + CONFIRM_TIME_MAX);
        controls.into_iter().for_each(Control::close);
        while open > 0 {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Closed(..)) => open -= 1,
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    /// Reports to process 0 that this process failed, and waits until process 0 has ended the run.
    fn report_failure(&mut self, error: String) {
        if self.controls.first().is_none_or(Option::is_none) {
            return;
        }
        self.send(0, Message::Failed(error));
        let deadline = Instant::now() + CONFIRM_TIME_MAX;
        while Instant::now() < deadline && self.next(Some(deadline)).is_ok() {}
    }
}
