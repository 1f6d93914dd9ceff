//! Updates of the live state from the graph's changes, on the first worker of each process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use velodrome_dataflows::{Change, EventTime, ViewChange};

use super::place::Place;
use super::reader_state::ReaderState;
use crate::live_state::LiveChange;

/// The operator has no output records, only a frontier.
type NoOutput = CapacityContainerBuilder<Vec<()>>;

/// A change, and the worker that applies it.
type Update = (usize, LiveChange);

/// Applies updates time by time, each time's updates atomically, on the workers that they are for.
pub(super) fn update_live_state<'scope>(
    updates: Stream<'scope, EventTime, Vec<Update>>,
    reader_state: Arc<ReaderState>,
) -> Stream<'scope, EventTime, Vec<()>> {
    let to_worker = Exchange::new(|(worker, _): &Update| *worker as u64);
    updates.unary_frontier::<NoOutput, _, _, _>(to_worker, "UpdateLiveState", move |_, _| {
        let mut stash: BTreeMap<EventTime, (Capability<EventTime>, Vec<LiveChange>)> =
            BTreeMap::new();
        move |(input, frontier), _| {
            input.for_each(|capability, updates| {
                let Some(time) = capability.least().copied() else { return };
                let changes = updates.drain(..).map(|(_, change)| change);
                if let Some((_, stashed)) = stash.get_mut(&time) {
                    stashed.extend(changes);
                } else if let Some(capability) = capability.retain_least(0) {
                    stash.insert(time, (capability, changes.collect()));
                }
            });
            while let Some(entry) = stash.first_entry()
                && !frontier.less_equal(entry.key())
            {
                let (time, (_, changes)) = entry.remove_entry();
                reader_state.apply(time, changes);
            }
        }
    })
}

/// Derives the updates of the live state from this worker's changes: each goes to the first worker of each
/// process.
pub(super) fn live_updates<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
    view_changes: Stream<'scope, EventTime, Vec<ViewChange>>,
    place: Place,
) -> Stream<'scope, EventTime, Vec<Update>> {
    let to_all =
        move |change: LiveChange| place.first_workers().map(move |worker| (worker, change.clone()));
    changes.binary(view_changes, Pipeline, Pipeline, "LiveUpdates", move |_, _| {
        move |changes, view_changes, output| {
            view_changes.for_each(|capability, view_changes| {
                let counts = view_changes.drain(..).filter_map(|change| match change {
                    ViewChange::Count(project, count) => Some(LiveChange::Views(project, count)),
                    ViewChange::Seen(..) => None,
                });
                output.session(&capability).give_iterator(counts.flat_map(to_all));
            });
            changes.for_each(|capability, changes| {
                let live = of_rides(changes.drain(..));
                output.session(&capability).give_iterator(live.flat_map(to_all));
            });
        }
    })
}

/// The stages among `changes`, in order, followed by each changed class once.
fn of_rides(changes: impl Iterator<Item = Change>) -> impl Iterator<Item = LiveChange> {
    let (mut stages, mut others) = (Vec::new(), BTreeSet::new());
    for change in changes {
        match change {
            Change::Stage(ride, stage) => stages.push(LiveChange::Stage(ride, stage)),
            Change::Record((class, _), _) => {
                others.insert(LiveChange::Records(class));
            }
            Change::Final((class, _), _) => {
                others.insert(LiveChange::Leaderboard(class));
            }
            Change::Ban(_) => {
                others.insert(LiveChange::Bans);
            }
            // Readers query results from the traces, so the live state does not contain them.
            Change::Result((class, _), ..) => {
                others.insert(LiveChange::Results(class));
            }
            Change::Name(..) | Change::Saved(..) | Change::Late(_) => {}
        }
    }
    stages.into_iter().chain(others)
}
