//! The events of one second of a race, and the arrival times of their lines.

use super::parameters::RACE_SECONDS;
use super::race::Race;
use super::random::{Probability, Random, Uuid};

/// The clocks of devices differ by less than this, in ms.
const JITTER_MS: u32 = 200;
/// The maximum delay of most lines from the device to the log, in ms.
const DELAY_MS_MAX: u32 = 50;
/// The maximum delay of slow lines and of the second copy of a line, in ms.
pub(super) const SLOW_DELAY_MS_MAX: u32 = 2_000;
/// One line out of this many is slow.
const SLOW_ONE_IN: u32 = 100;
/// The latest arrival of a race's lines, in ms from its start. The lines of the next race arrive later.
const LAST_ARRIVAL_MS: u32 = (RACE_SECONDS + 1) * 1_000 - 1;

/// The number of projects.
const PROJECTS: f64 = 200.0;
/// The number of viewers.
const VIEWERS: u32 = 100_000;
/// One tracking event out of this many is a view; the others report watched time.
const VIEW_ONE_IN: u32 = 5;
/// The range of the watched time between two heartbeats, in ms.
const WATCH_MS: (u32, u32) = (1_000, 10_000);

/// One event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// The device's time, in ms from the start of the race.
    pub(super) device_ms: u32,
    pub(super) uuid: Uuid,
    pub(super) kind: Kind,
}

/// The content of an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// The effort of the rider with this index in the race.
    Ride { rider: usize, second: u32 },
    /// The start of a view.
    View { project: u32, viewer: u32 },
    /// The time watched since the last heartbeat.
    Watch { project: u32, viewer: u32, duration_ms: u32 },
}

/// The one or two arrivals of an event's line, in ms from the start of the race.
pub(super) type Arrivals = [Option<u32>; 2];

impl Race<'_> {
    /// Calls `emit` with the events of `second` (from 1): first those of the riders in order, then the
    /// views.
    pub(super) fn second(&self, second: u32, mut emit: impl FnMut(Event, Arrivals)) {
        let mut random = Random::new(self.workload.parameters.seed, self.index, second);
        for rider in 0..self.riders.len() {
            let device_ms = second * 1_000 + random.below(JITTER_MS);
            let (uuid, kind) = (random.uuid(), Kind::Ride { rider, second });
            let arrivals = arrivals(device_ms, self.workload.duplicates, &mut random);
            emit(Event { device_ms, uuid, kind }, arrivals);
        }
        for _ in 0..self.tracking_in(second) {
            let device_ms = second * 1_000 + random.below(1_000);
            let (uuid, kind) = (random.uuid(), tracking(&mut random));
            let arrivals = arrivals(device_ms, self.workload.tracking_duplicates, &mut random);
            emit(Event { device_ms, uuid, kind }, arrivals);
        }
    }

    /// The number of tracking events of `second`. They are spread evenly over the race.
    fn tracking_in(&self, second: u32) -> u64 {
        let until =
            |second: u32| self.workload.tracking * u64::from(second) / u64::from(RACE_SECONDS);
        until(second) - until(second - 1)
    }
}

/// A random tracking event.
fn tracking(random: &mut Random) -> Kind {
    // Cubing a uniform draw gives the first project a sixth of all views, as Zipf's law does for 200
    // projects.
    let draw = random.unit();
    let project = 1 + (draw * draw * draw * PROJECTS) as u32;
    let viewer = random.below(VIEWERS);
    if random.below(VIEW_ONE_IN) == 0 {
        return Kind::View { project, viewer };
    }
    let duration_ms = WATCH_MS.0 + random.below(WATCH_MS.1 - WATCH_MS.0 + 1);
    Kind::Watch { project, viewer, duration_ms }
}

/// The random arrivals of the line of an event at `device_ms`.
fn arrivals(device_ms: u32, duplicates: Probability, random: &mut Random) -> Arrivals {
    let delay_max = SLOW_DELAY_MS_MAX.min(LAST_ARRIVAL_MS - device_ms);
    let slow = random.below(SLOW_ONE_IN) == 0;
    let usual_max = if slow { delay_max } else { delay_max.min(DELAY_MS_MAX) };
    let delay = random.below(usual_max + 1);
    let again = random.happens(duplicates).then(|| delay + random.below(delay_max - delay + 1));
    [Some(delay), again].map(|delay| Some(device_ms + delay?))
}
