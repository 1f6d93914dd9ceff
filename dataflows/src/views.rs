//! View counts and watched time by project.

use std::collections::BTreeMap;
use std::mem;

use compact_str::CompactString;
use differential_dataflow::AsCollection;
use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use crate::Arrangement;
use crate::event::{Clock, Tracking};

const DAY_MS: u64 = 86_400_000;

/// An event that comes again within so many days of the event clock counts once.
pub const DEDUP_DAYS: u64 = 7;

/// How often a project was viewed and for how long, each event counted once; a sum as a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ViewCount {
    /// Distinct `view` events.
    pub views: u64,
    /// Milliseconds watched, summed over distinct events.
    pub duration_ms: u64,
}

impl IsZero for ViewCount {
    /// Never: nothing is retracted, and a project seen for no time at all was seen.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for ViewCount {
    fn plus_equals(&mut self, other: &Self) {
        self.views += other.views;
        self.duration_ms += other.duration_ms;
    }
}

/// View counts by project, as differences.
pub type ViewTrace = TraceAgent<KeySpine<CompactString, Clock, ViewCount>>;

/// Arranges view counts and watched time by project.
pub fn views<'scope>(
    events: Stream<'scope, Clock, Vec<Tracking>>,
) -> Arrangement<'scope, ViewTrace> {
    first_sightings(events)
        .as_collection()
        .arrange_named::<KeyBatcher<_, _, _>, _>("Views", KeyBatcher::new)
}

type CountUpdate = ((CompactString, ()), Clock, ViewCount);

/// Lets each event through once, by the hash of its uuid, and sums what one time brings a project.
fn first_sightings<'scope>(
    events: Stream<'scope, Clock, Vec<Tracking>>,
) -> Stream<'scope, Clock, Vec<CountUpdate>> {
    let route = |event: &Tracking| event.uuid as u64;
    events.unary_frontier(Exchange::new(route), "FirstSightings", |_, _| {
        let mut stash: BTreeMap<Clock, (Capability<Clock>, Vec<Tracking>)> = BTreeMap::new();
        let mut seen = Seen::default();
        move |(input, frontier), output| {
            input.for_each(|capability, events| {
                let Some(time) = capability.least().copied() else { return };
                if let Some((_, held)) = stash.get_mut(&time) {
                    held.append(events);
                } else if let Some(capability) = capability.retain_least(0) {
                    stash.insert(time, (capability, mem::take(events)));
                }
            });
            while let Some(entry) = stash.first_entry()
                && !frontier.less_equal(entry.key())
            {
                let (time, (capability, mut events)) = entry.remove_entry();
                let mut counts: HashMap<CompactString, ViewCount> = HashMap::new();
                events.sort_by_key(|event| event.clock);
                for event in events {
                    if seen.is_first(event.uuid, event.clock) {
                        let count = counts.entry(event.project).or_default();
                        count.views += u64::from(event.is_view);
                        count.duration_ms += u64::from(event.duration_ms);
                    }
                }
                let updates = counts.into_iter().map(|(project, n)| ((project, ()), time, n));
                output.session(&capability).give_iterator(updates);
            }
        }
    })
}

/// The uuids counted in the last days, by the day of the event clock.
#[derive(Default)]
struct Seen {
    days: BTreeMap<u64, HashSet<u128>>,
}

impl Seen {
    /// Whether `uuid` was not counted on the day of `clock` or within [`DEDUP_DAYS`] before it; then
    /// it is counted now. Clocks must not go back.
    fn is_first(&mut self, uuid: u128, clock: Clock) -> bool {
        let day = clock / DAY_MS;
        while let Some(entry) = self.days.first_entry()
            && entry.key() + DEDUP_DAYS < day
        {
            entry.remove();
        }
        let counted = self.days.range(..day).any(|(_, uuids)| uuids.contains(&uuid));
        !counted && self.days.entry(day).or_default().insert(uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_comes_again_counts_anew_only_after_the_dedup_window() {
        let mut seen = Seen::default();
        let at = |day: u64| day * DAY_MS + 5;
        let asked = [(1, 0), (1, 0), (2, 3), (1, 7), (1, 8), (1, 15), (2, 15), (1, 16)];
        let first = asked.map(|(uuid, day)| seen.is_first(uuid, at(day)));
        assert_eq!(first, [true, false, true, false, true, false, true, true]);
    }
}
