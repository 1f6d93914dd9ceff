//! Sends events to the workers of an engine, each to the worker that owns its ride or uuid.

use velodrome_dataflows::EventTime;

use super::command::{Command, Events};
use super::handle::Engine;
use crate::log::{Delivery, TICK_MS};

/// Distributes events over the workers of an engine.
///
/// Each worker receives the events that the graph would send to it. So events that concern each other
/// stay in order even if they have the same clock, and a recovery repeats every result.
#[derive(Debug)]
pub struct Feeder {
    engine: Engine,
}

impl Feeder {
    /// A feeder for the workers of `engine`.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Sends a delivery of the log to the workers. The clocks of its events must be set already.
    pub fn deliver(&self, delivery: Delivery<Events>) {
        match delivery {
            Delivery::Batch { last_arrival, payload, .. } => {
                self.send_events(last_arrival, payload)
            }
            Delivery::Advance(clock) => self.engine.advance(clock),
        }
    }

    /// Sends events to the workers, at the logical time `last` rounded up to a tick. Their clocks must not
    /// be later than `last`.
    pub fn send_events(&self, last: EventTime, events: Events) {
        self.engine.count_sent(events.len());
        let workers = self.engine.workers();
        for (worker, events) in workers.iter().zip(events.split(workers.len())) {
            if !events.is_empty() {
                worker.send(Command::Events(last.next_multiple_of(TICK_MS), events));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use velodrome_dataflows::{Sample, Tracking};

    use super::super::test_support::engine_of;
    use super::*;

    #[test]
    fn a_ride_and_a_uuid_stay_in_order_on_one_worker() {
        let (engine, commands) = engine_of(3);
        let feeder = Feeder::new(engine.clone());
        for second in 1..=20 {
            let sample = |racer| Sample { class: 1, racer, second, clock: 5, ..Sample::default() };
            let view = |uuid| Tracking {
                clock: 5,
                uuid,
                project: "p".into(),
                duration_ms: second.into(),
                is_view: true,
            };
            // One event or many, so that no count of events or batches explains the choice.
            let events = Events {
                samples: (0..u32::from(second)).map(sample).collect(),
                tracking: (0..u128::from(second)).map(view).collect(),
            };
            feeder.deliver(Delivery::Batch { first_arrival: 5, last_arrival: 5, payload: events });
        }
        assert_eq!(engine.events_sent(), 2 * (1..=20).sum::<u64>());
        let (mut rides, mut views) = (HashMap::new(), HashMap::new());
        for (worker, commands) in commands.iter().enumerate() {
            while let Ok(Command::Events(10, events)) = commands.try_recv() {
                assert_ne!(events.len(), 0);
                for sample in events.samples {
                    rides.entry((sample.racer, worker)).or_insert(vec![]).push(sample.second);
                }
                for view in events.tracking {
                    views.entry((view.uuid, worker)).or_insert(vec![]).push(view.duration_ms);
                }
            }
        }
        assert_eq!((rides.len(), views.len()), (20, 20), "each is on one worker");
        let workers: HashSet<_> = rides.keys().map(|(_, worker)| worker).collect();
        assert!(workers.len() > 1);
        for ((racer, _), seconds) in rides {
            assert!(seconds.iter().copied().eq(racer as u16 + 1..=20), "racer {racer}");
        }
        for ((uuid, _), durations) in views {
            assert!(durations.iter().copied().eq(uuid as u32 + 1..=20), "uuid {uuid}");
        }
    }
}
