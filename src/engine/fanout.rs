//! Delivers what the log writes to the service's engine and to the standby engine.

use super::command::Events;
use super::feeder::Feeder;
use super::handle::Engine;
use super::standby_feed::StandbyFeed;
use crate::log::Delivery;

/// Receives the log's deliveries and passes each on to the service's engine and the standby feed.
#[derive(Debug)]
pub struct Fanout {
    feeder: Feeder,
    standby_feed: StandbyFeed,
}

impl Fanout {
    /// A fan-out to `engine` and `standby_feed`.
    pub fn new(engine: Engine, standby_feed: &StandbyFeed) -> Self {
        Self { feeder: Feeder::new(engine), standby_feed: standby_feed.clone() }
    }

    /// Passes a delivery on. The clocks of its events must be set already. Call it in the order of the
    /// log's deliveries.
    pub fn deliver(&mut self, delivery: Delivery<Events>) {
        // Both engines receive the delivery under one lock, so that a standby engine misses no event and
        // receives none twice when it becomes the service's engine.
        let mut state = self.standby_feed.lock();
        state.deliver(&delivery);
        self.feeder.deliver(delivery);
        drop(state);
        self.standby_feed.notify();
    }
}
