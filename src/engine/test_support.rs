//! Test support: an engine whose single worker's commands a test reads, and deliveries for it.

use std::sync::Arc;

use tokio::sync::watch;
use velodrome_dataflows::{EventTime, Tracking};

use super::command::{Command, Events};
use super::command_channel::{CommandReceiver, command_channel};
use super::handle::Engine;
use crate::log::Delivery;

/// An engine of one worker, and the commands that this worker would receive.
pub(super) fn engine() -> (Engine, CommandReceiver) {
    let (engine, mut commands) = engine_of(1);
    (engine, commands.remove(0))
}

/// An engine of several workers, and the commands that each would receive.
pub(super) fn engine_of(workers: usize) -> (Engine, Vec<CommandReceiver>) {
    let (workers, commands) = (0..workers).map(|_| command_channel()).unzip();
    (Engine::new(workers, watch::channel(0).1, Arc::default()), commands)
}

/// A view event at `clock`.
pub(super) fn view(clock: EventTime) -> Tracking {
    Tracking { clock, uuid: 1, project: "p".into(), duration_ms: 0, is_view: true }
}

/// A batch of view events at `clocks`, which ascend.
pub(super) fn batch(clocks: &[EventTime]) -> Delivery<Events> {
    let tracking = clocks.iter().copied().map(view).collect();
    let payload = Events { samples: Vec::new(), tracking };
    let (first_arrival, last_arrival) = (clocks[0], clocks[clocks.len() - 1]);
    Delivery::Batch { first_arrival, last_arrival, payload }
}

/// The commands that a worker received: the clocks of events, and the times of advances.
pub(super) fn received(commands: &CommandReceiver) -> (Vec<EventTime>, Vec<EventTime>) {
    let (mut clocks, mut advances) = (Vec::new(), Vec::new());
    while let Ok(command) = commands.try_recv() {
        match command {
            Command::Events(_, events) => {
                clocks.extend(events.tracking.iter().map(|event| event.clock));
            }
            Command::Advance(clock) => advances.push(clock),
            other => panic!("{other:?}"),
        }
    }
    (clocks, advances)
}
