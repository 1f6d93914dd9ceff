//! Names: the display name of each racer in each class.

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;

use super::arrangement::Arrangement;
use super::select::select_updates;
use crate::values::{Change, ClassId, EventTime, Name, RacerId};

/// The trace of [`names`]: names by (class, racer), as differences.
pub type NameTrace = TraceAgent<KeySpine<(ClassId, RacerId), EventTime, Name>>;

/// Arranges names by (class, racer), from [`Change::Name`].
///
/// Changes are not exchanged: a racer's names in a class are on the worker of the racer's rides there.
///
/// ```
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
/// use velodrome_dataflows::{Change, Name, names};
///
/// let name = |at, text: &str| Name { at, text: text.into() };
/// let older = Change::Name((1, 5), name(1_000, "Bea"));
/// let newer = Change::Name((1, 5), name(2_000, "Ada"));
/// let arranged = timely::example(|scope| {
///     let changes = vec![newer, older].to_stream(scope);
///     names(changes).as_collection(|key, ()| *key).inner.capture()
/// });
/// assert_eq!(arranged.extract(), [(0, vec![((1, 5), 0, name(2_000, "Ada"))])]);
/// ```
pub fn names<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
) -> Arrangement<'scope, NameTrace> {
    let updates = select_updates(changes, "NameChanges", |change, time| match change {
        Change::Name(key, name) => Some(((key, ()), time, name)),
        _ => None,
    });
    arrange_core(updates, Pipeline, "Names", KeyBatcher::new)
}
