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
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use crate::Arrangement;
use crate::event::{Clock, Tracking};
use crate::roster::Mode;

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

/// What view counts follow from, and what a checkpoint keeps of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Viewed {
    /// A project was viewed so much more.
    Count(CompactString, ViewCount),
    /// An event was counted on a day of the event clock (days since the epoch), by its uuid's hash;
    /// told in a service only.
    Seen(u64, u128),
}

/// Arranges view counts and watched time by project, and tells what changed.
///
/// What a checkpoint kept comes in by `restored`, on any worker, at times before all events.
pub fn views<'scope>(
    events: Stream<'scope, Clock, Vec<Tracking>>,
    restored: Stream<'scope, Clock, Vec<Viewed>>,
    mode: Mode,
) -> (Arrangement<'scope, ViewTrace>, Stream<'scope, Clock, Vec<Viewed>>) {
    let viewed = first_sightings(events, restored, mode);
    let counts = viewed.clone().unary(Pipeline, "ViewChanges", move |_, _| {
        move |input, output| {
            input.for_each(|capability, viewed| {
                let Some(time) = capability.least().copied() else { return };
                let counts = viewed.drain(..).filter_map(|viewed| match viewed {
                    Viewed::Count(project, count) => Some(((project, ()), time, count)),
                    Viewed::Seen(..) => None,
                });
                output.session(&capability).give_iterator(counts);
            });
        }
    });
    let counts: Stream<'_, _, Vec<CountUpdate>> = counts;
    let arranged =
        counts.as_collection().arrange_named::<KeyBatcher<_, _, _>, _>("Views", KeyBatcher::new);
    (arranged, viewed)
}

type CountUpdate = ((CompactString, ()), Clock, ViewCount);

/// Lets each event through once, by the hash of its uuid, and sums what one time brings a project.
fn first_sightings<'scope>(
    events: Stream<'scope, Clock, Vec<Tracking>>,
    restored: Stream<'scope, Clock, Vec<Viewed>>,
    mode: Mode,
) -> Stream<'scope, Clock, Vec<Viewed>> {
    let route = Exchange::new(|event: &Tracking| event.uuid as u64);
    let home = Exchange::new(|viewed: &Viewed| match viewed {
        Viewed::Count(..) => 0,
        Viewed::Seen(_, uuid) => *uuid as u64,
    });
    events.binary_frontier(restored, route, home, "FirstSightings", move |_, _| {
        let mut stash: BTreeMap<Clock, (Capability<Clock>, Vec<Tracking>)> = BTreeMap::new();
        let mut seen = Seen::default();
        move |(input, frontier), (restored, restoring), output| {
            restored.for_each(|capability, viewed| {
                let counts = viewed.drain(..).filter(|viewed| match viewed {
                    Viewed::Count(..) => true,
                    Viewed::Seen(day, uuid) => {
                        seen.days.entry(*day).or_default().insert(*uuid);
                        false
                    }
                });
                output.session(&capability).give_iterator(counts);
            });
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
                && !restoring.less_equal(entry.key())
            {
                let (_, (capability, mut events)) = entry.remove_entry();
                let mut counts: HashMap<CompactString, ViewCount> = HashMap::new();
                let mut viewed = Vec::new();
                events.sort_by_key(|event| event.clock);
                for event in events {
                    if seen.is_first(event.uuid, event.clock) {
                        let count = counts.entry(event.project).or_default();
                        count.views += u64::from(event.is_view);
                        count.duration_ms += u64::from(event.duration_ms);
                        if mode == Mode::Service {
                            viewed.push(Viewed::Seen(event.clock / DAY_MS, event.uuid));
                        }
                    }
                }
                viewed.extend(counts.into_iter().map(|(project, n)| Viewed::Count(project, n)));
                output.session(&capability).give_container(&mut viewed);
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
