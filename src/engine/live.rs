//! A running engine: its workers beside the service, what feeds them, what ends them.

use std::mem;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use timely::communication::WorkerGuards;
use tokio::sync::watch;
use velodrome_dataflows::{Clock, Rules};

use super::cluster::{self, Cluster, ClusterError};
use super::outlet::{Closed, Outlet};
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
    outlet: Arc<Outlet>,
    workers: Workers,
}

/// Threads that work until this is dropped.
struct Workers {
    mailboxes: Arc<[Mailbox]>,
    /// Waits for the workers when it is dropped.
    _guards: WorkerGuards<()>,
}

/// Workers whose place others are about to take: what was told last stands still.
pub struct Closing(Closed);

impl Live {
    /// Starts `workers` workers of this process with nothing in them.
    ///
    /// # Errors
    /// Workers that cannot be started.
    pub fn start(workers: usize, rules: Rules) -> Result<Self, ClusterError> {
        let (complete, reached) = watch::channel(0);
        let feeds = Arc::new(Feeds::default());
        let unsaved = Arc::new(Unsaved::default());
        let outlet = Arc::new(Outlet::new(Arc::clone(&feeds), complete));
        let shared = Shared {
            rules: rules.clone(),
            outlet: Arc::clone(&outlet),
            unsaved: Arc::clone(&unsaved),
        };
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
        let engine = Engine::new(mailboxes, reached, feeds).under(rules);
        let engine = engine.of_processes(cluster.processes());
        let workers = Workers { mailboxes: engine.workers(), _guards: guards };
        Ok(Self { engine, unsaved, outlet, workers })
    }

    /// Begins to let other workers take the place of these. Until they do, reads are answered as of the
    /// time that was told last, or an earlier one.
    pub fn close(&self) -> Closing {
        Closing(self.outlet.close())
    }

    /// Lets the workers of `next` take the place of these; what is left of them is returned, to be dropped.
    /// `next` is at a later time than all that `closing` has told, and was told the same events: an answer is
    /// never of an earlier time, or of fewer events, than one before.
    pub fn hand_over(&mut self, Closing(closed): Closing, next: Self) -> impl Sized + use<> {
        // Whoever sees that all changed asks the new workers already.
        self.engine.hand_over_to(&next.engine);
        let before = next.outlet.take_over(closed);
        (self.unsaved, self.outlet) = (next.unsaved, next.outlet);
        (mem::replace(&mut self.workers, next.workers), before)
    }
}

impl Closing {
    /// The last time that was told.
    pub fn heard(&self) -> Clock {
        self.0.heard()
    }
}

impl Drop for Workers {
    /// Lets the workers end, who are waited for then. What was not complete is not told any more.
    fn drop(&mut self) {
        for worker in self.mailboxes.iter() {
            worker.send(Command::Stop);
        }
    }
}

/// Hands events to the workers in turn.
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

    /// Takes what the log delivered, the clocks of its events set.
    pub fn take(&mut self, delivery: Delivery<Events>) {
        match delivery {
            Delivery::Batch { arrival, payload, .. } => self.events(arrival, payload),
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
