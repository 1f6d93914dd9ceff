//! Forms a cluster: process 0 admits the others, then each pair of processes opens its data link.

use super::control::Event;
use super::error::ClusterError;
use super::hosts::Cluster;
use super::listener::listen;
use super::members::Members;
use super::message::{Message, Purpose};
use super::settings::Settings;

impl Cluster {
    /// Connects to all other processes of the cluster. They must have the same `settings`, and the same
    /// `inputs`: a description of each input, in order.
    ///
    /// # Errors
    /// When a process does not come in time, differs from process 0, or is lost. Process 0 sends its
    /// error to all processes that it can reach.
    pub fn form(self, settings: Settings, inputs: &[String]) -> Result<Members, ClusterError> {
        let settings = settings
            .with("number of processes (-n)", self.processes())
            .with("number of workers (-w)", self.workers)
            .with_inputs(inputs);
        let mut members = Members::alone(self);
        if members.cluster.processes() == 1 {
            return Ok(members);
        }
        match members.connect(settings, inputs) {
            Ok(()) => Ok(members),
            Err(error) => {
                // Other processes learn the error from `end`; here it is returned.
                _ = members.end(Err(error.to_string()));
                Err(error)
            }
        }
    }
}

impl Members {
    fn connect(&mut self, settings: Settings, inputs: &[String]) -> Result<(), ClusterError> {
        listen(&self.cluster, &self.sender)?;
        let run = match self.cluster.process {
            0 => self.admit_all(&settings, inputs)?,
            _ => self.join(settings, inputs)?,
        };
        self.open_links(run)
    }

    /// Joins the cluster of process 0, and waits until it has admitted all others. Returns the number of
    /// the run.
    fn join(&mut self, settings: Settings, inputs: &[String]) -> Result<u64, ClusterError> {
        let connection = self.dial(0, Purpose::Control(settings), self.cluster.wait)?;
        self.start_control(0, connection)?;
        // No deadline: process 0 waits for the others with a limit, and sends heartbeats meanwhile.
        loop {
            match self.next(None)? {
                Some(Event::Message(0, Message::ListInputs)) => {
                    self.send(0, Message::Inputs(inputs.to_vec()));
                }
                Some(Event::Message(0, Message::Form { run })) => return Ok(run),
                _ => {}
            }
        }
    }
}
