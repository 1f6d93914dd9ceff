//! Updates of the live state from the graph's changes, on worker 0.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use velodrome_dataflows::{Change, EventTime, ViewChange};

use super::reader_state::ReaderState;
use crate::live_state::LiveChange;

/// The operator has no output records, only a frontier.
type NoOutput = CapacityContainerBuilder<Vec<()>>;

/// Sends the changes of all workers to worker 0, which applies them time by time, each time's changes
/// atomically.
pub(super) fn update_live_state<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
    view_changes: Stream<'scope, EventTime, Vec<ViewChange>>,
    reader_state: Arc<ReaderState>,
) -> Stream<'scope, EventTime, Vec<()>> {
    let live_changes = live_changes(changes, view_changes);
    let to_first = Exchange::new(|_: &LiveChange| 0);
    live_changes.unary_frontier::<NoOutput, _, _, _>(to_first, "UpdateLiveState", move |_, _| {
        let mut stash: BTreeMap<EventTime, (Capability<EventTime>, Vec<LiveChange>)> =
            BTreeMap::new();
        move |(input, frontier), _| {
            input.for_each(|capability, changes| {
                let Some(time) = capability.least().copied() else { return };
                if let Some((_, stashed)) = stash.get_mut(&time) {
                    stashed.append(changes);
                } else if let Some(capability) = capability.retain_least(0) {
                    stash.insert(time, (capability, mem::take(changes)));
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

/// Derives the changes of the live state from this worker's changes.
fn live_changes<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
    view_changes: Stream<'scope, EventTime, Vec<ViewChange>>,
) -> Stream<'scope, EventTime, Vec<LiveChange>> {
    changes.binary(view_changes, Pipeline, Pipeline, "LiveChanges", |_, _| {
        |changes, view_changes, output| {
            view_changes.for_each(|capability, view_changes| {
                let counts = view_changes.drain(..).filter_map(|change| match change {
                    ViewChange::Count(project, count) => Some(LiveChange::Views(project, count)),
                    ViewChange::Seen(..) => None,
                });
                output.session(&capability).give_iterator(counts);
            });
            changes.for_each(|capability, changes| {
                let live = of_rides(changes.drain(..));
                output.session(&capability).give_iterator(live);
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
