//! The running rides of all races by rank.

use std::cmp::Reverse;

use velodrome_dataflows::{ClassId, Output, RaceId, RacerId, RideKey, Standing};

use super::sorted_chunks::SortedChunks;

/// A running ride: its race, its output descending, and its racer.
type RankedRide = (ClassId, RaceId, Reverse<Output>, RacerId);

/// The running rides of all races, by race, and within a race by output descending, then by racer
/// ascending.
#[derive(Debug, Default)]
pub(super) struct StandingsOrder(SortedChunks<RankedRide>);

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

impl StandingsOrder {
    /// Moves a ride from the position of its `previous` output to that of its new `output`. `None` means
    /// that it is not running.
    pub(super) fn replace(
        &mut self,
        (class, race, racer): RideKey,
        previous: Option<Output>,
        output: Option<Output>,
    ) {
        if previous == output {
            return;
        }
        let ranked = |output| (class, race, Reverse(output), racer);
        if let Some(previous) = previous {
            self.0.remove(&ranked(previous));
        }
        if let Some(output) = output {
            self.0.insert(ranked(output));
        }
    }

    /// The selected rows of a race. `standing` returns the standing of a racer who is riding in it.
    pub(super) fn part<'a>(
        &self,
        race: (ClassId, RaceId),
        selected: StandingsRows,
        standing: impl Fn(RacerId) -> Option<&'a Standing>,
    ) -> StandingsPart {
        let (class, id) = race;
        let ranked = |output, racer| (class, id, Reverse(output), racer);
        let best = self.0.count_before(|(class, id, ..)| (*class, *id) < race);
        let end = self.0.count_before(|(class, id, ..)| (*class, *id) <= race);
        let (start, stop) = match selected {
            StandingsRows::Page { last, limit } => {
                let after =
                    |(output, racer)| self.0.count_before(|ride| *ride <= ranked(output, racer));
                let start = last.map_or(best, after);
                (start, start.saturating_add(limit))
            }
            StandingsRows::Around { racer, window } => standing(racer).map_or((end, end), |own| {
                let own = self.0.count_before(|ride| *ride < ranked(own.output, racer));
                (own.saturating_sub(window).max(best), own.saturating_add(window + 1))
            }),
        };
        let stop = stop.min(end);
        let (mut rows, mut rank, mut last) = (Vec::new(), 0, None);
        for (index, (.., Reverse(output), racer)) in (start..stop).zip(self.0.iter_at(start)) {
            if last != Some(*output) {
                rank = match last {
                    None => self.0.count_before(|ride| *ride < ranked(*output, RacerId::MIN)),
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
