//! Names: the display name of each racer.

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;

use super::arrangement::Arrangement;
use super::select::select_updates;
use crate::values::{Change, EventTime, Name, RacerId};

/// The trace of [`names`]: names by racer, as differences.
pub type NameTrace = TraceAgent<KeySpine<RacerId, EventTime, Name>>;

type NameUpdate = ((RacerId, ()), EventTime, Name);

/// Arranges names by racer, from [`Change::Name`].
///
/// A racer has one name in all classes, so names are exchanged by racer alone.
///
/// ```
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
/// use velodrome_dataflows::{Change, Name, names};
///
/// let name = |device_ms, text: &str| Name { device_ms, text: text.into() };
/// let older = Change::Name(5, name(1_000, "Bea"));
/// let newer = Change::Name(5, name(2_000, "Ada"));
/// let arranged = timely::example(|scope| {
///     let changes = vec![newer, older].to_stream(scope);
///     names(changes).as_collection(|racer, ()| *racer).inner.capture()
/// });
/// assert_eq!(arranged.extract(), [(0, vec![(5, 0, name(2_000, "Ada"))])]);
/// ```
pub fn names<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
) -> Arrangement<'scope, NameTrace> {
    let updates = select_updates(changes, "NameChanges", |change, time| match change {
        Change::Name(racer, name) => Some(((racer, ()), time, name)),
        _ => None,
    });
    let route = Exchange::new(|((racer, ()), _, _): &NameUpdate| u64::from(*racer));
    arrange_core(updates, route, "Names", KeyBatcher::new)
}
