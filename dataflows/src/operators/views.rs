//! View counts and watched time by project.

use std::collections::BTreeMap;
use std::mem;

use compact_str::CompactString;
use differential_dataflow::AsCollection;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use hashbrown::{HashMap, HashSet};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use super::arrangement::Arrangement;
use crate::values::{DAY_MS, DEDUP_DAYS, EventTime, Mode, Tracking, ViewChange, ViewCount};

/// The trace of [`views`]: view counts by project, as differences.
pub type ViewTrace = TraceAgent<KeySpine<CompactString, EventTime, ViewCount>>;

type CountUpdate = ((CompactString, ()), EventTime, ViewCount);

/// Counts each tracking event once, and arranges views and watched time by project.
///
/// Returns the arrangement and the changes that it is built from. A duplicate event within
/// [`DEDUP_DAYS`] of the event clock does not count. `saved` carries the changes restored from a
/// checkpoint; they may enter on any worker, at earlier times than any event. Event clocks must not
/// decrease as logical time increases.
///
/// ```
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract, generic::operator::empty};
/// use velodrome_dataflows::{Mode, Tracking, ViewCount, views};
///
/// let event = |uuid, duration_ms, is_view| Tracking {
///     uuid,
///     duration_ms,
///     is_view,
///     project: "trailer".into(),
///     ..Tracking::default()
/// };
/// // A view of 5 s that is sent twice, and a heartbeat of 2 s.
/// let events = vec![event(1, 5_000, true), event(1, 5_000, true), event(2, 2_000, false)];
/// let arranged = timely::example(|scope| {
///     let mode = Mode::Replay { until: u64::MAX };
///     let (counts, _changes) = views(events.to_stream(scope), empty(scope), mode);
///     counts.as_collection(|project, ()| project.to_string()).inner.capture()
/// });
/// let count = ViewCount { views: 1, duration_ms: 7_000 };
/// assert_eq!(arranged.extract(), [(0, vec![("trailer".to_string(), 0, count)])]);
/// ```
pub fn views<'scope>(
    events: Stream<'scope, EventTime, Vec<Tracking>>,
    saved: Stream<'scope, EventTime, Vec<ViewChange>>,
    mode: Mode,
) -> (Arrangement<'scope, ViewTrace>, Stream<'scope, EventTime, Vec<ViewChange>>) {
    let changes = count_once(events, saved, mode);
    let counts = changes.clone().unary(Pipeline, "ViewCounts", move |_, _| {
        move |input, output| {
            input.for_each(|capability, changes| {
                let Some(time) = capability.least().copied() else { return };
                let counts = changes.drain(..).filter_map(|change| match change {
                    ViewChange::Count(project, count) => Some(((project, ()), time, count)),
                    ViewChange::Seen(..) => None,
                });
                output.session(&capability).give_iterator(counts);
            });
        }
    });
    let counts: Stream<'_, _, Vec<CountUpdate>> = counts;
    let arranged =
        counts.as_collection().arrange_named::<KeyBatcher<_, _, _>, _>("Views", KeyBatcher::new);
    (arranged, changes)
}

/// Drops events whose uuid was already counted, and sums the others by project and time.
fn count_once<'scope>(
    events: Stream<'scope, EventTime, Vec<Tracking>>,
    saved: Stream<'scope, EventTime, Vec<ViewChange>>,
    mode: Mode,
) -> Stream<'scope, EventTime, Vec<ViewChange>> {
    let route = Exchange::new(Tracking::route);
    let saved_route = Exchange::new(|change: &ViewChange| match change {
        ViewChange::Count(..) => 0,
        ViewChange::Seen(_, uuid) => *uuid as u64,
    });
    events.binary_frontier(saved, route, saved_route, "Deduplicate", move |_, _| {
        let mut pending: BTreeMap<EventTime, (Capability<EventTime>, Vec<Tracking>)> =
            BTreeMap::new();
        let mut window = DedupWindow::default();
        move |(events, event_frontier), (saved, saved_frontier), output| {
            saved.for_each(|capability, changes| {
                let counts = changes.drain(..).filter(|change| match change {
                    ViewChange::Count(..) => true,
                    ViewChange::Seen(day, uuid) => {
                        window.days.entry(*day).or_default().insert(*uuid);
                        false
                    }
                });
                output.session(&capability).give_iterator(counts);
            });
            events.for_each(|capability, events| {
                let Some(time) = capability.least().copied() else { return };
                if let Some((_, pending)) = pending.get_mut(&time) {
                    pending.append(events);
                } else if let Some(capability) = capability.retain_least(0) {
                    pending.insert(time, (capability, mem::take(events)));
                }
            });
            while let Some(entry) = pending.first_entry()
                && !event_frontier.less_equal(entry.key())
                && !saved_frontier.less_equal(entry.key())
            {
                let (capability, events) = entry.remove();
                let mut changes = window.count(events, mode);
                output.session(&capability).give_container(&mut changes);
            }
        }
    })
}

/// The uuids that were counted in the last [`DEDUP_DAYS`], by day of the event clock.
#[derive(Default)]
struct DedupWindow {
    days: BTreeMap<u64, HashSet<u128>>,
}

impl DedupWindow {
    /// The changes that result from the events of one time.
    fn count(&mut self, mut events: Vec<Tracking>, mode: Mode) -> Vec<ViewChange> {
        let mut counts: HashMap<CompactString, ViewCount> = HashMap::new();
        let mut changes = Vec::new();
        events.sort_by_key(|event| event.clock);
        for event in events {
            if self.is_first(event.uuid, event.clock) {
                let count = counts.entry(event.project).or_default();
                count.views += u64::from(event.is_view);
                count.duration_ms += u64::from(event.duration_ms);
                if mode == Mode::Service {
                    changes.push(ViewChange::Seen(event.clock / DAY_MS, event.uuid));
                }
            }
        }
        changes.extend(counts.into_iter().map(|(project, n)| ViewChange::Count(project, n)));
        changes
    }

    /// Records `uuid` as counted on the day of `clock`. Returns false if it was already counted on that
    /// day or in the [`DEDUP_DAYS`] days before it. Clocks must not decrease between calls.
    fn is_first(&mut self, uuid: u128, clock: EventTime) -> bool {
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
    fn an_event_counts_again_only_after_the_dedup_window() {
        let mut window = DedupWindow::default();
        let at = |day: u64| day * DAY_MS + 5;
        let events = [(1, 0), (1, 0), (2, 3), (1, 7), (1, 8), (1, 15), (2, 15), (1, 16)];
        let first = events.map(|(uuid, day)| window.is_first(uuid, at(day)));
        assert_eq!(first, [true, false, true, false, true, false, true, true]);
    }
}
