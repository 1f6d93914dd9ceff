//! Delivers what the log writes to the service's engine and to the standby engine.

use velodrome_dataflows::EventTime;

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

    /// Passes a delivery on, with the clocks of its events set to their arrivals. Call it in the order
    /// of the log's deliveries.
    pub fn deliver(&mut self, mut delivery: Delivery<Events>) {
        // Both engines receive the delivery under one lock, so that a standby engine misses no event and
        // receives none twice when it becomes the service's engine.
        let mut state = self.standby_feed.lock();
        if let Delivery::Batch { first_arrival, last_arrival, payload } = &mut delivery {
            // This repeats what the log does: it clamps recorded arrivals, and stamps other lines with
            // its own time.
            let clamp =
                |clock: &mut EventTime| *clock = (*clock).clamp(*first_arrival, *last_arrival);
            payload.samples.iter_mut().for_each(|sample| clamp(&mut sample.clock));
            payload.tracking.iter_mut().for_each(|event| clamp(&mut event.clock));
        }
        state.deliver(&delivery);
        self.feeder.deliver(delivery);
        drop(state);
        self.standby_feed.notify();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::super::command::Command;
    use super::super::test_support::{engine, view};
    use super::*;
    use crate::health::Health;
    use crate::log::{self, LogLines};
    use crate::store;

    #[test]
    fn clocks_of_events_equal_the_arrivals_of_their_lines_in_the_log() {
        const START_MS: u64 = 1_620_240_001_000;
        let root = tempfile::tempdir().unwrap();
        let archive = Arc::new(store::Directory::new(root.path().join("archive")));
        let (engine, commands) = engine();
        let mut fanout = Fanout::new(engine, &StandbyFeed::default());
        let (clock, source) = log::Clock::system().following_source();
        source.advance_to(START_MS);
        let log = log::open(root.path(), archive, clock).unwrap();
        let component = Health::default().component("archive");
        let log = log.start(component, move |delivery| fanout.deliver(delivery)).unwrap();
        // Batches with recorded arrivals, without, and with recorded arrivals that are late.
        for recorded in [Some([50, 30, 90]), None, Some([10, 4_000, 200]), Some([1, 2, 3]), None] {
            let (mut lines, mut events) = (LogLines::new(), Events::default());
            for number in 0..3 {
                let clock = match recorded {
                    Some(recorded) => {
                        lines.push_arrived(br#"{"a":1}"#, START_MS + recorded[number])
                    }
                    None => {
                        lines.push(br#"{"a":1}"#);
                        0
                    }
                };
                events.tracking.push(view(clock));
            }
            log.append(lines, events).unwrap().blocking_recv().unwrap().unwrap();
        }
        log.close();

        let mut clocks = Vec::new();
        while let Ok(command) = commands.try_recv() {
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
