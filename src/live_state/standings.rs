//! The running rides of all races by rank.

use std::cmp::Reverse;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use velodrome_dataflows::{ClassId, Output, RaceId, RacerId, RideKey, Standing};

use super::sorted_chunks::SortedChunks;

/// The number of changed rides that wait for a read. To order them takes about 20 ms.
const STALE_RIDES_MAX: usize = 65_536;

/// A running ride: its race, its output descending, and its racer.
type RankedRide = (ClassId, RaceId, Reverse<Output>, RacerId);

/// The running rides of all races by rank, ordered when somebody reads them: most rides change more often
/// than that.
#[derive(Debug, Default)]
pub(super) struct StandingsOrder(Mutex<Order>);

/// The order as of the last read, and the rides that changed since.
#[derive(Debug, Default)]
struct Order {
    /// By race, and within a race by output descending, then by racer ascending.
    rides: SortedChunks<RankedRide>,
    /// Running rides that changed, each with the output by which `rides` has it, if it does.
    stale: HashMap<RideKey, Option<Output>>,
}

/// Which rows of standings to read.
#[derive(Clone, Copy, Debug)]
pub enum StandingsRows {
    /// Up to `limit` rows after an output and a racer, who need not be riding any more, or from the best
    /// row on.
    Page {
        /// The last row of the previous page.
        last: Option<(Output, RacerId)>,
        /// The maximum number of rows.
        limit: usize,
    },
    /// The row of `racer`, and up to `window` rows before and after it; none if the racer is not riding.
    Around {
        /// The racer.
        racer: RacerId,
        /// The number of rows on each side.
        window: usize,
    },
}

/// Part of the standings of a race.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StandingsPart {
    /// The number of running rides.
    pub racers: usize,
    /// Ranks from 1, racers and standings, in order. Racers with equal outputs share the better rank.
    pub rows: Vec<(u64, RacerId, Standing)>,
    /// Whether there are more rows after these.
    pub has_more: bool,
}

/// The position of a ride.
fn ranked((class, race, racer): RideKey, output: Output) -> RankedRide {
    (class, race, Reverse(output), racer)
}

impl Order {
    /// Moves the stale rides to the positions of their outputs, which `output_of` returns.
    fn refresh(&mut self, output_of: impl Fn(RideKey) -> Option<Output>) {
        for (ride, previous) in self.stale.drain() {
            if let Some(previous) = previous {
                self.rides.remove(&ranked(ride, previous));
            }
            if let Some(output) = output_of(ride) {
                self.rides.insert(ranked(ride, output));
            }
        }
    }
}

impl StandingsOrder {
    fn lock(&self) -> MutexGuard<'_, Order> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a ride, which had the output `previous` if it was running, has another one, or ends if
    /// `is_running` is false.
    pub(super) fn change(&mut self, ride: RideKey, previous: Option<Output>, is_running: bool) {
        let order = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if is_running {
            order.stale.entry(ride).or_insert(previous);
        } else if let Some(output) = order.stale.remove(&ride).unwrap_or(previous) {
            order.rides.remove(&ranked(ride, output));
        }
    }

    /// Orders the rides that changed, if they are too many to wait for a read. `output_of` returns the
    /// output of a running ride.
    pub(super) fn bound(&self, output_of: impl Fn(RideKey) -> Option<Output>) {
        let mut order = self.lock();
        if order.stale.len() >= STALE_RIDES_MAX {
            order.refresh(output_of);
        }
    }

    /// The selected rows of a race. `standing_of` returns the standing of a running ride.
    pub(super) fn part<'a>(
        &self,
        race: (ClassId, RaceId),
        selected: StandingsRows,
        standing_of: impl Fn(RideKey) -> Option<&'a Standing>,
    ) -> StandingsPart {
        let mut order = self.lock();
        order.refresh(|ride| Some(standing_of(ride)?.output));
        let rides = &order.rides;
        let (class, id) = race;
        let ranked = |output, racer| ranked((class, id, racer), output);
        let standing = |racer| standing_of((class, id, racer));
        let best = rides.count_before(|(class, id, ..)| (*class, *id) < race);
        let end = rides.count_before(|(class, id, ..)| (*class, *id) <= race);
        let (start, stop) = match selected {
            StandingsRows::Page { last, limit } => {
                let after =
                    |(output, racer)| rides.count_before(|ride| *ride <= ranked(output, racer));
                let start = last.map_or(best, after);
                (start, start.saturating_add(limit))
            }
            StandingsRows::Around { racer, window } => standing(racer).map_or((end, end), |own| {
                let own = rides.count_before(|ride| *ride < ranked(own.output, racer));
                (own.saturating_sub(window).max(best), own.saturating_add(window + 1))
            }),
        };
        let stop = stop.min(end);
        let (mut rows, mut rank, mut last) = (Vec::new(), 0, None);
        for (index, (.., Reverse(output), racer)) in (start..stop).zip(rides.iter_at(start)) {
            if last != Some(*output) {
                rank = match last {
                    None => rides.count_before(|ride| *ride < ranked(*output, RacerId::MIN)),
                    Some(_) => index,
                };
                last = Some(*output);
            }
            let row = standing(*racer).map(|own| ((rank - best) as u64 + 1, *racer, own.clone()));
            rows.extend(row);
        }
        StandingsPart { racers: end - best, rows, has_more: start < stop && stop < end }
    }
}
