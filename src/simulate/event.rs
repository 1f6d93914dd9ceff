//! The events of one second of a race, with the times at which their lines arrive.

use super::random::{Random, Share, Uuid};
use super::{RACE_SECONDS, Race};

/// The clocks of devices differ by less than this, in ms.
const JITTER_MS: u32 = 200;
/// What most lines take from the device to the log, at most, in ms.
const DELAY_MS_MAX: u32 = 50;
/// What the slow ones take, at most, in ms; the second copy of a line as well.
pub(super) const SLOW_DELAY_MS_MAX: u32 = 2_000;
/// One line in this many is slow.
const SLOW_ONE_IN: u32 = 100;
/// No line of a race arrives later after its start, in ms: then the next race's lines begin.
const LAST_ARRIVAL_MS: u32 = (RACE_SECONDS + 1) * 1_000 - 1;

/// Projects that are viewed.
const PROJECTS: f64 = 200.0;
/// People who view them.
const VIEWERS: u32 = 100_000;
/// One tracking event in this many is a view, the others are watched time.
const VIEW_ONE_IN: u32 = 5;
/// Least and greatest watched time between two heartbeats, in ms.
const WATCH_MS: (u32, u32) = (1_000, 10_000);

/// One event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// The device's time in ms from the start of the race.
    pub(super) device_ms: u32,
    pub(super) uuid: Uuid,
    pub(super) kind: Kind,
}

/// What is told of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// The state of the race's rider of this index.
    Ride { rider: usize, second: u32 },
    /// A view that begins.
    View { project: u32, viewer: u32 },
    /// Time watched since the last heartbeat.
    Watch { project: u32, viewer: u32, duration_ms: u32 },
}

/// When an event's line arrives, in ms from the start of the race; it may arrive twice.
pub(super) type Arrivals = [Option<u32>; 2];

impl Race<'_> {
    /// Gives `take` the events of `second` (from 1), the riders' in their order and then the views.
    pub(super) fn second(&self, second: u32, mut take: impl FnMut(Event, Arrivals)) {
        let mut random = Random::new(self.workload.parameters.seed, self.window, second);
        for rider in 0..self.riders.len() {
            let device_ms = second * 1_000 + random.below(JITTER_MS);
            let (uuid, kind) = (random.uuid(), Kind::Ride { rider, second });
            let arrivals = arrivals(device_ms, self.workload.duplicates, &mut random);
            take(Event { device_ms, uuid, kind }, arrivals);
        }
        for _ in 0..self.tracking_in(second) {
            let device_ms = second * 1_000 + random.below(1_000);
            let (uuid, kind) = (random.uuid(), tracking(&mut random));
            let arrivals = arrivals(device_ms, self.workload.tracking_duplicates, &mut random);
            take(Event { device_ms, uuid, kind }, arrivals);
        }
    }

    /// How many tracking events `second` has: a race's, spread evenly.
    fn tracking_in(&self, second: u32) -> u64 {
        let until =
            |second: u32| self.workload.tracking * u64::from(second) / u64::from(RACE_SECONDS);
        until(second) - until(second - 1)
    }
}

/// What a page tells.
fn tracking(random: &mut Random) -> Kind {
    // The cube of an even draw: the first project has a sixth of all, as in a Zipf law over 200.
    let draw = random.unit();
    let project = 1 + (draw * draw * draw * PROJECTS) as u32;
    let viewer = random.below(VIEWERS);
    if random.below(VIEW_ONE_IN) == 0 {
        return Kind::View { project, viewer };
    }
    let duration_ms = WATCH_MS.0 + random.below(WATCH_MS.1 - WATCH_MS.0 + 1);
    Kind::Watch { project, viewer, duration_ms }
}

/// When the line of an event at `device_ms` arrives, and when again.
fn arrivals(device_ms: u32, duplicates: Share, random: &mut Random) -> Arrivals {
    let delay_max = SLOW_DELAY_MS_MAX.min(LAST_ARRIVAL_MS - device_ms);
    let slow = random.below(SLOW_ONE_IN) == 0;
    let usual_max = if slow { delay_max } else { delay_max.min(DELAY_MS_MAX) };
    let delay = random.below(usual_max + 1);
    let again = random.happens(duplicates).then(|| delay + random.below(delay_max - delay + 1));
    [Some(delay), again].map(|delay| Some(device_ms + delay?))
}
