//! Process 0 admits the other processes, if their settings and inputs are the same.

use std::time::{Duration, Instant};

use super::control::Event;
use super::error::ClusterError;
use super::listener::refuse;
use super::members::Members;
use super::message::{Hello, Message, Purpose};
use super::settings::{INPUTS, Settings};
use crate::mesh::{Connection, WireMessage};

/// How long process 0 waits for the others after one that differs, so that all of them get the reason.
const REPORT_TIME_MAX: Duration = Duration::from_secs(5);

impl Members {
    /// Admits all other processes, then has them open the data links of a new run, whose number it
    /// returns.
    pub(super) fn admit_all(
        &mut self,
        settings: &Settings,
        inputs: &[String],
    ) -> Result<u64, ClusterError> {
        let mut deadline = Instant::now() + self.cluster.wait;
        let mut different = None;
        loop {
            let missing = self.missing();
            if missing.is_empty() || Instant::now() >= deadline {
                let (seconds, names) = (self.cluster.wait.as_secs(), missing.join(", "));
                match different {
                    Some(error) => return Err(error),
                    None if missing.is_empty() => break,
                    None => return Err(ClusterError::Missing { seconds, missing: names }),
                }
            }
            if let Some(Event::Arrival(hello, connection)) = self.next(Some(deadline))?
                && let Some(error) = self.admit(hello, connection, settings, inputs)?
            {
                deadline = deadline.min(Instant::now() + REPORT_TIME_MAX);
                different.get_or_insert(error);
            }
        }
        let run = rand::random();
        (1..self.cluster.processes()).for_each(|process| self.send(process, Message::Form { run }));
        Ok(run)
    }

    /// The names of the processes that are not admitted.
    fn missing(&self) -> Vec<String> {
        let controls = self.controls.iter().enumerate().skip(1);
        let missing = controls.filter(|(_, control)| control.is_none());
        missing.map(|(process, _)| self.cluster.name(process)).collect()
    }

    /// Admits the process at the other end of a control connection. Returns how it differs from this one,
    /// which ends the run. A process that is there already is refused, and the run continues without it.
    fn admit(
        &mut self,
        hello: Hello,
        connection: Connection,
        settings: &Settings,
        inputs: &[String],
    ) -> Result<Option<ClusterError>, ClusterError> {
        let Hello { from, purpose: Purpose::Control(theirs), .. } = hello else { return Ok(None) };
        if from == self.cluster.process || self.controls.get(from).is_some_and(Option::is_some) {
            self.refuse_repeated(from, &connection);
            return Ok(None);
        }
        let difference = settings.difference(&theirs);
        let different =
            difference.map(|[what, theirs, ours]| self.different(from, what, theirs, ours));
        if from >= self.cluster.processes() {
            // It has another -n, so it has no place in this cluster.
            different.iter().for_each(|error| refuse(&connection, error.to_string()));
            return Ok(different);
        }
        if Message::Accepted.send(&connection).is_err() {
            return Ok(None);
        }
        self.start_control(from, connection)?;
        match difference {
            Some([INPUTS, ..]) => self.first_different_input(from, inputs).map(Some),
            _ => Ok(different),
        }
    }

    /// Requests the inputs of a process, to name the first one that differs.
    fn first_different_input(
        &mut self,
        from: usize,
        ours: &[String],
    ) -> Result<ClusterError, ClusterError> {
        self.send(from, Message::ListInputs);
        let theirs = loop {
            match self.next(None)? {
                Some(Event::Message(sender, Message::Inputs(inputs))) if sender == from => {
                    break inputs;
                }
                _ => {}
            }
        };
        let mut numbers = 0..ours.len().max(theirs.len());
        let number = numbers.find(|number| ours.get(*number) != theirs.get(*number));
        let input = |inputs: &[String]| {
            number.and_then(|number| inputs.get(number).cloned()).unwrap_or("none".to_owned())
        };
        let what = format!("input {}", number.unwrap_or_default() + 1);
        Ok(self.different(from, &what, &input(&theirs), &input(ours)))
    }

    fn different(&self, process: usize, what: &str, theirs: &str, ours: &str) -> ClusterError {
        let (process, what) = (self.cluster.name(process), what.to_owned());
        ClusterError::Different { process, what, theirs: theirs.to_owned(), ours: ours.to_owned() }
    }
}
