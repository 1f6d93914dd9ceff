//! The changes that the next checkpoint has to save.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use velodrome_dataflows::{Change, EventTime, ViewChange};

/// The logical time of changes restored from a checkpoint. All events have later times.
const RESTORE_TIME: EventTime = 0;

/// The operator has no output records, only a frontier.
type NoOutput = CapacityContainerBuilder<Vec<()>>;

/// Changes by logical time.
type ChangesByTime = BTreeMap<EventTime, (Vec<Change>, Vec<ViewChange>)>;

/// The changes since the last checkpoint.
#[derive(Debug, Default)]
pub struct UnsavedChanges(Mutex<ChangesByTime>);

impl UnsavedChanges {
    /// Removes and returns all changes up to and including `complete`, by ascending time.
    pub fn take(&self, complete: EventTime) -> (Vec<Change>, Vec<ViewChange>) {
        let mut by_time = self.lock();
        let later = by_time.split_off(&(complete + 1));
        let taken = mem::replace(&mut *by_time, later);
        drop(by_time);
        let (mut changes, mut view_changes) = (Vec::new(), Vec::new());
        for (mut of_rides, mut of_views) in taken.into_values() {
            changes.append(&mut of_rides);
            view_changes.append(&mut of_views);
        }
        (changes, view_changes)
    }

    fn lock(&self) -> MutexGuard<'_, ChangesByTime> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Collects the changes for the next checkpoint in `unsaved`, except those restored from the previous
/// one.
pub(super) fn collect_unsaved<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
    view_changes: Stream<'scope, EventTime, Vec<ViewChange>>,
    unsaved: Arc<UnsavedChanges>,
) -> Stream<'scope, EventTime, Vec<()>> {
    let late = metrics::counter!("velodrome_late_events_total");
    let name = "CollectUnsaved";
    changes.binary::<_, NoOutput, _, _, _, _>(
        view_changes,
        Pipeline,
        Pipeline,
        name,
        move |_, _| {
            move |changes, view_changes, _| {
                changes.for_each(|capability, changes| {
                    let Some(time) = capability.least().copied() else { return };
                    changes.retain(|change| match change {
                        Change::Late(count) => {
                            late.increment(*count);
                            false
                        }
                        Change::Result(..) | Change::Stage(..) | Change::Ban(_) => false,
                        Change::Record(..) | Change::Final(..) | Change::Name(..) => true,
                        Change::Saved(..) => true,
                    });
                    if time != RESTORE_TIME && !changes.is_empty() {
                        unsaved.lock().entry(time).or_default().0.append(changes);
                    }
                });
                view_changes.for_each(|capability, view_changes| {
                    let Some(time) = capability.least().copied() else { return };
                    if time != RESTORE_TIME {
                        unsaved.lock().entry(time).or_default().1.append(view_changes);
                    }
                });
            }
        },
    )
}
