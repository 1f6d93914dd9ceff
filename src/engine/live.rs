//! A running engine: its workers beside the service, what feeds them, what ends them.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use timely::communication::WorkerGuards;
use tokio::sync::watch;
use velodrome_dataflows::{Clock, Rules};

use super::cluster::{self, Cluster, ClusterError};
use super::service::{Command, Engine, Events, Mailbox};
use super::sinks::Unsaved;
use super::worker::{Shared, run};
use crate::feeds::Feeds;
use crate::log::{Delivery, TICK_MS};

/// The workers of a service, until they are stopped.
pub struct Live {
    /// The handle for all others.
    pub engine: Engine,
    /// What the next checkpoint has to take up.
    pub unsaved: Arc<Unsaved>,
    /// Waits for the workers when it is dropped.
    _guards: WorkerGuards<()>,
}

impl Live {
    /// Starts `workers` workers of this process with nothing in them.
    ///
    /// # Errors
    /// Workers that cannot be started.
    pub fn start(workers: usize, rules: Rules) -> Result<Self, ClusterError> {
        let (complete, reached) = watch::channel(0);
        let feeds = Arc::new(Feeds::default());
        let unsaved = Arc::new(Unsaved::default());
        let complete = Arc::new(complete);
        let shared =
            Shared { rules, feeds: Arc::clone(&feeds), unsaved: Arc::clone(&unsaved), complete };
        let (ready, started) = mpsc::channel();
        let ready = Mutex::new(ready);
        let cluster = Cluster { workers, process: 0, hosts: Vec::new() };
        let guards = cluster::start(&cluster, move |worker| {
            let (mailbox, inbox) = Mailbox::new();
            let ready = ready.lock().unwrap_or_else(|e| e.into_inner()).clone();
            ready.send((worker.index(), mailbox)).unwrap_or_default();
            run(worker, &inbox, &shared);
        })?;
        let mut mailboxes: Vec<_> = started.iter().take(workers).collect();
        mailboxes.sort_by_key(|(index, _)| *index);
        let mailboxes = mailboxes.into_iter().map(|(_, mailbox)| mailbox).collect();
        let engine = Engine::new(mailboxes, reached, feeds).of_processes(cluster.processes());
        Ok(Self { engine, unsaved, _guards: guards })
    }
}

impl Drop for Live {
    /// Lets the workers end, who are waited for then. What was not complete is not told any more.
    fn drop(&mut self) {
        for worker in self.engine.workers() {
            worker.send(Command::Stop);
        }
    }
}

/// Hands the log's events and its clock to the workers.
#[derive(Debug)]
pub struct Feeder {
    engine: Engine,
    next: usize,
}

impl Feeder {
    /// Feeds the workers of `engine`.
    pub fn new(engine: Engine) -> Self {
        Self { engine, next: 0 }
    }

    /// Takes what the log delivers, in its order.
    pub fn take(&mut self, delivery: Delivery<Events>) {
        match delivery {
            Delivery::Batch { from, arrival, mut payload } => {
                // As the log has it: what arrived by itself before other lines, with them; all else, now.
                let settle = |clock: &mut Clock| *clock = (*clock).clamp(from, arrival);
                payload.samples.iter_mut().for_each(|sample| settle(&mut sample.clock));
                payload.tracking.iter_mut().for_each(|event| settle(&mut event.clock));
                self.events(arrival, payload);
            }
            Delivery::Advance(clock) => self.engine.advance(clock),
        }
    }

    /// Gives one of the workers events whose clocks are up to `clock`.
    pub fn events(&mut self, clock: Clock, events: Events) {
        self.engine.count(events.samples.len() + events.tracking.len());
        let workers = self.engine.workers();
        self.next = (self.next + 1) % workers.len().max(1);
        if let Some(worker) = workers.get(self.next) {
            worker.send(Command::Events(clock.next_multiple_of(TICK_MS), events));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use velodrome_dataflows::Tracking;

    use super::*;
    use crate::health::Health;
    use crate::log::{self, Lines};
    use crate::store;

    #[test]
    fn clocks_of_events_are_the_arrivals_of_their_lines_in_the_log() {
        const START_MS: u64 = 1_620_240_001_000;
        let root = tempfile::tempdir().unwrap();
        let archive = Arc::new(store::Directory::new(root.path().join("archive")));
        let (mailbox, inbox) = Mailbox::new();
        let engine = Engine::new(vec![mailbox], watch::channel(0).1, Arc::default());
        let mut feeder = Feeder::new(engine);
        let (clock, source) = log::Clock::system().followed();
        source.reach(START_MS);
        let log = log::open(root.path(), archive, clock).unwrap();
        let part = Health::default().part("archive");
        let log = log.start(part, move |delivery| feeder.take(delivery)).unwrap();
        // What comes from the source, what comes by itself, and what comes late.
        for own in [Some([50, 30, 90]), None, Some([10, 4_000, 200]), Some([1, 2, 3]), None] {
            let (mut lines, mut events) = (Lines::new(), Events::default());
            for number in 0..3 {
                let clock = match own {
                    Some(own) => lines.push_at(br#"{"a":1}"#, START_MS + own[number]),
                    None => {
                        lines.push(br#"{"a":1}"#);
                        0
                    }
                };
                let project = "p".into();
                let event = Tracking { clock, uuid: 1, project, duration_ms: 0, is_view: true };
                events.tracking.push(event);
            }
            log.append(lines, events).unwrap().blocking_recv().unwrap().unwrap();
        }
        log.close();

        let mut clocks = Vec::new();
        while let Ok(command) = inbox.take() {
            if let Command::Events(time, events) = command {
                assert!(events.tracking.iter().all(|event| event.clock <= time));
                clocks.extend(events.tracking.iter().map(|event| event.clock));
            }
        }
        let segment = fs::read_dir(root.path().join("log")).unwrap().next().unwrap().unwrap();
        let text = fs::read_to_string(segment.path()).unwrap();
        let arrival = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["arrivalTimestamp"].as_u64().unwrap()
        };
        assert_eq!(clocks, text.lines().map(arrival).collect::<Vec<_>>());
        assert_eq!(clocks[..3], [50, 50, 90].map(|ms| START_MS + ms));
    }
}
