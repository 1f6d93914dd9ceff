//! Where the graph of a service ends: in the next checkpoint, and in the live feeds.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use velodrome_dataflows::{Change, Clock, Viewed};

use super::outlet::Outlet;
use crate::feeds::FeedChange;

/// The time at which what a checkpoint kept is restored, before all events.
const RESTORED: Clock = 0;

/// A stream's frontier alone.
type NoOutput = CapacityContainerBuilder<Vec<()>>;

/// Changes by time.
type Times = BTreeMap<Clock, (Vec<Change>, Vec<Viewed>)>;

/// What the next checkpoint has to take up, by time.
#[derive(Debug, Default)]
pub struct Unsaved {
    times: Mutex<Times>,
}

impl Unsaved {
    /// Takes out all that has a time up to `complete`, in the order of time.
    pub fn take(&self, complete: Clock) -> (Vec<Change>, Vec<Viewed>) {
        let mut times = self.lock();
        let later = times.split_off(&(complete + 1));
        let taken = mem::replace(&mut *times, later);
        drop(times);
        let (mut changes, mut viewed) = (Vec::new(), Vec::new());
        for (mut some, mut more) in taken.into_values() {
            changes.append(&mut some);
            viewed.append(&mut more);
        }
        (changes, viewed)
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Collects what the next checkpoint has to take up; what a checkpoint brought is in it already.
pub(super) fn keep<'scope>(
    changes: Stream<'scope, Clock, Vec<Change>>,
    viewed: Stream<'scope, Clock, Vec<Viewed>>,
    unsaved: Arc<Unsaved>,
) -> Stream<'scope, Clock, Vec<()>> {
    let late = metrics::counter!("velodrome_late_events_total");
    changes.binary::<_, NoOutput, _, _, _, _>(viewed, Pipeline, Pipeline, "Keep", move |_, _| {
        move |changes, viewed, _| {
            changes.for_each(|capability, changes| {
                let Some(time) = capability.least().copied() else { return };
                changes.retain(|change| match change {
                    Change::Late(count) => {
                        late.increment(*count);
                        false
                    }
                    Change::Result(..) | Change::Stage(..) | Change::Ban(_) => false,
                    Change::Record(..) | Change::Final(..) | Change::Name(..) => true,
                    Change::Kept(..) => true,
                });
                if time != RESTORED && !changes.is_empty() {
                    unsaved.lock().entry(time).or_default().0.append(changes);
                }
            });
            viewed.for_each(|capability, viewed| {
                let Some(time) = capability.least().copied() else { return };
                if time != RESTORED {
                    unsaved.lock().entry(time).or_default().1.append(viewed);
                }
            });
        }
    })
}

/// Brings the live feeds up to each time as a whole, on worker 0.
pub(super) fn feed<'scope>(
    changes: Stream<'scope, Clock, Vec<Change>>,
    viewed: Stream<'scope, Clock, Vec<Viewed>>,
    outlet: Arc<Outlet>,
) -> Stream<'scope, Clock, Vec<()>> {
    let feed_changes = changes.binary(viewed, Pipeline, Pipeline, "FeedChanges", |_, _| {
        |changes, viewed, output| {
            viewed.for_each(|capability, viewed| {
                let counts = viewed.drain(..).filter_map(|viewed| match viewed {
                    Viewed::Count(project, count) => Some(FeedChange::Views(project, count)),
                    Viewed::Seen(..) => None,
                });
                output.session(&capability).give_iterator(counts);
            });
            changes.for_each(|capability, changes| {
                let (mut stages, mut others) = (Vec::new(), BTreeSet::new());
                for change in changes.drain(..) {
                    match change {
                        Change::Stage(ride, stage) => stages.push(FeedChange::Stage(ride, stage)),
                        Change::Record((class, _), _) => {
                            others.insert(FeedChange::Records(class));
                        }
                        Change::Final((class, _), _) => {
                            others.insert(FeedChange::Leaderboard(class));
                        }
                        Change::Ban(_) => {
                            others.insert(FeedChange::Bans);
                        }
                        // Results are asked for by race.
                        Change::Result(..)
                        | Change::Name(..)
                        | Change::Kept(..)
                        | Change::Late(_) => {}
                    }
                }
                let mut session = output.session(&capability);
                session.give_iterator(stages.into_iter().chain(others));
            });
        }
    });
    let to_first = Exchange::new(|_: &FeedChange| 0);
    feed_changes.unary_frontier::<NoOutput, _, _, _>(to_first, "Feed", move |_, _| {
        let mut stash: BTreeMap<Clock, (Capability<Clock>, Vec<FeedChange>)> = BTreeMap::new();
        move |(input, frontier), _| {
            input.for_each(|capability, changes| {
                let Some(time) = capability.least().copied() else { return };
                if let Some((_, held)) = stash.get_mut(&time) {
                    held.append(changes);
                } else if let Some(capability) = capability.retain_least(0) {
                    stash.insert(time, (capability, mem::take(changes)));
                }
            });
            while let Some(entry) = stash.first_entry()
                && !frontier.less_equal(entry.key())
            {
                let (time, (_, changes)) = entry.remove_entry();
                outlet.apply(time, changes);
            }
        }
    })
}
