//! Sends events to the workers of an engine, one worker per batch in turn.

use velodrome_dataflows::EventTime;

use super::command::{Command, Events};
use super::handle::Engine;
use crate::log::{Delivery, TICK_MS};

/// Distributes batches of events over the workers of an engine, round robin.
#[derive(Debug)]
pub struct Feeder {
    engine: Engine,
    next: usize,
}

impl Feeder {
    /// A feeder for the workers of `engine`.
    pub fn new(engine: Engine) -> Self {
        Self { engine, next: 0 }
    }

    /// Sends a delivery of the log to the workers. The clocks of its events must be set already.
    pub fn deliver(&mut self, delivery: Delivery<Events>) {
        match delivery {
            Delivery::Batch { last_arrival, payload, .. } => {
                self.send_events(last_arrival, payload)
            }
            Delivery::Advance(clock) => self.engine.advance(clock),
        }
    }

    /// Sends events to the next worker, at the logical time `last` rounded up to a tick. Their clocks
    /// must not be later than `last`.
    pub fn send_events(&mut self, last: EventTime, events: Events) {
        self.engine.count_sent(events.len());
        let workers = self.engine.workers();
        self.next = (self.next + 1) % workers.len().max(1);
        if let Some(worker) = workers.get(self.next) {
            worker.send(Command::Events(last.next_multiple_of(TICK_MS), events));
        }
    }
}
