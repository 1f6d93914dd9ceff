//! Selection of one kind of change.

use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use crate::values::{Change, EventTime};

/// Maps each change to a differential update with `update`, at the time of the change.
///
/// `name` is the operator's name. Changes for which `update` returns `None` are dropped.
pub(super) fn select_updates<'scope, U: 'static>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
    name: &str,
    update: impl Fn(Change, EventTime) -> Option<U> + 'static,
) -> Stream<'scope, EventTime, Vec<U>> {
    changes.unary(Pipeline, name, move |_, _| {
        move |input, output| {
            input.for_each(|capability, changes| {
                let Some(time) = capability.least().copied() else { return };
                let updates = changes.drain(..).filter_map(|change| update(change, time));
                output.session(&capability).give_iterator(updates);
            });
        }
    })
}
