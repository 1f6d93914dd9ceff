//! The bound on open rides: which events may open a ride.
//!
//! A ride is open from its first event until its repair window is over, as in the rides operator of the
//! graph. The design is in docs/design/open-rides.md.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use hashbrown::HashMap;
use velodrome_dataflows::{EventTime, Mode, REPAIR_WINDOW_MS, RETENTION_MS, RideKey};

use crate::ingest::rejection::Rejection;

/// The default bound. It is far above what one machine can serve: 6,000 racers who ride all day have
/// 80,000 open rides.
pub const OPEN_RIDES_MAX: NonZeroUsize = NonZeroUsize::new(1_000_000).unwrap();

/// A day in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// What an event means for its ride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It opens nothing, because the ride is known or the rules exclude it.
    OpensNothing,
    /// It opened its ride.
    Opened,
    /// It would open a ride beyond the bound.
    Rejected,
}

/// The known rides, and how many of them are open.
///
/// The clocks of its calls must not decrease.
#[derive(Debug)]
pub struct OpenRides {
    max: usize,
    mode: Mode,
    /// When each known ride closes. A service has a map for each day on which rides close, and removes it
    /// after their retention.
    known: BTreeMap<u64, HashMap<RideKey, EventTime>>,
    /// The number of open rides, by the last time at which they are open.
    open_until: BTreeMap<EventTime, usize>,
    count: usize,
}

impl OpenRides {
    /// No rides. At most `max` can be open, except for restored ones.
    pub fn new(mode: Mode, max: usize) -> Self {
        let (known, open_until) = (BTreeMap::new(), BTreeMap::new());
        Self { max, mode, known, open_until, count: 0 }
    }

    /// The number of open rides, as of the clock of the last call.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Why an event is rejected at the bound.
    pub fn rejection(&self) -> Rejection {
        Rejection::TooManyRides(self.max)
    }

    /// Decides on an event of `ride` at `clock`. If it opens the ride, the ride closes at `closes_at`,
    /// which is `None` if the rules exclude the event.
    pub fn admit(
        &mut self,
        ride: RideKey,
        clock: EventTime,
        closes_at: impl FnOnce() -> Option<EventTime>,
    ) -> Decision {
        self.advance_to(clock);
        if self.is_known(&ride, clock) {
            return Decision::OpensNothing;
        }
        let Some(closes_at) = closes_at() else { return Decision::OpensNothing };
        if self.count >= self.max {
            return Decision::Rejected;
        }
        self.restore(ride, closes_at);
        Decision::Opened
    }

    /// Adds a ride that closes at `closes_at`, whether or not it fits into the bound.
    pub fn restore(&mut self, ride: RideKey, closes_at: EventTime) {
        self.known.entry(self.day(closes_at)).or_default().insert(ride, closes_at);
        *self.open_until.entry(closes_at + REPAIR_WINDOW_MS).or_default() += 1;
        self.count += 1;
    }

    /// Removes a ride that an event opened, because the event is not accepted after all.
    pub fn revoke(&mut self, ride: &RideKey) {
        let closes_at = self.known.values_mut().rev().find_map(|known| known.remove(ride));
        if let Some(closes_at) = closes_at
            && let Some(rides) = self.open_until.get_mut(&(closes_at + REPAIR_WINDOW_MS))
        {
            *rides -= 1;
            self.count -= 1;
        }
    }

    /// Ends the rides that are no longer open at `clock`.
    pub fn advance_to(&mut self, clock: EventTime) {
        while let Some(entry) = self.open_until.first_entry()
            && *entry.key() < clock
        {
            self.count -= entry.remove();
        }
        while self.mode == Mode::Service
            && let Some(entry) = self.known.first_entry()
            && (entry.key() + 1) * DAY_MS + RETENTION_MS <= clock
        {
            entry.remove();
        }
    }

    fn is_known(&self, ride: &RideKey, clock: EventTime) -> bool {
        let mut known = self.known.values().rev();
        known.find_map(|known| known.get(ride)).is_some_and(|closes_at| {
            self.mode != Mode::Service || clock <= closes_at + RETENTION_MS
        })
    }

    /// The day of the map for rides that close at `closes_at`.
    fn day(&self, closes_at: EventTime) -> u64 {
        if self.mode == Mode::Service { closes_at / DAY_MS } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 3;
    const HOUR_MS: u64 = 3_600_000;

    /// An event of a ride, after a pause. `closes_in` is when its ride closes if the event opens it; `None`
    /// if the rules exclude the event.
    fn event() -> impl Strategy<Value = (u64, u32, Option<u64>, bool)> {
        let pause = prop_oneof![Just(0), 0..HOUR_MS / 4, 0..3 * DAY_MS];
        let closes_in = prop::option::weighted(0.9, 0..HOUR_MS / 10);
        (pause, 0..12_u32, closes_in, any::<bool>())
    }

    proptest! {
        #[test]
        fn decisions_are_those_of_a_list_of_all_rides(
            events in prop::collection::vec(event(), 1..200),
            is_service in any::<bool>(),
        ) {
            let mode = if is_service { Mode::Service } else { Mode::Replay { until: u64::MAX } };
            let mut rides = OpenRides::new(mode, MAX);
            let (mut model, mut clock) = (Vec::<(RideKey, u64)>::new(), 20_000 * DAY_MS);
            for (pause, racer, closes_in, is_revoked) in events {
                clock += pause;
                let (ride, closes_at) = ((1, 7, racer), closes_in.map(|ms| clock + ms));
                if is_service {
                    model.retain(|(_, closes_at)| clock <= closes_at + RETENTION_MS);
                }
                let is_known = model.iter().any(|(known, _)| *known == ride);
                let is_open = |(_, closes_at): &&(RideKey, u64)| clock <= closes_at + REPAIR_WINDOW_MS;
                let open = model.iter().filter(is_open).count();
                let expected = match closes_at {
                    None => Decision::OpensNothing,
                    Some(_) if is_known => Decision::OpensNothing,
                    Some(_) if open == MAX => Decision::Rejected,
                    Some(_) => Decision::Opened,
                };
                prop_assert_eq!(rides.admit(ride, clock, || closes_at), expected);
                prop_assert_eq!(rides.count(), open + usize::from(expected == Decision::Opened));
                if expected == Decision::Opened {
                    match is_revoked {
                        true => rides.revoke(&ride),
                        false => model.extend(closes_at.map(|closes_at| (ride, closes_at))),
                    }
                }
            }
        }
    }

    #[test]
    fn restored_rides_count_even_beyond_the_bound() {
        let mut rides = OpenRides::new(Mode::Service, 1);
        (1..=3).for_each(|racer| rides.restore((1, 7, racer), 1_000));
        let admit =
            |rides: &mut OpenRides, racer, clock| rides.admit((1, 7, racer), clock, || Some(clock));
        assert_eq!(admit(&mut rides, 4, 2_000), Decision::Rejected);
        assert_eq!(admit(&mut rides, 3, 2_000), Decision::OpensNothing);
        assert_eq!(rides.count(), 3);
        assert_eq!(admit(&mut rides, 4, 1_001 + REPAIR_WINDOW_MS), Decision::Opened);
    }
}
