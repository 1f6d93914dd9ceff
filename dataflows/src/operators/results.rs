//! Race results: one row per finished ride.

use std::sync::Arc;

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{ValBatcher, ValSpine};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;

use super::arrangement::Arrangement;
use super::select::select_updates;
use crate::values::{Change, ClassId, EventTime, RaceId, RacerId, RideResult};

/// The trace of [`results`]: rows (racer, result) by (class, race), with their multiplicity.
///
/// Unlike records, results can be retracted: a repair replaces them, and a service removes them after
/// the retention.
pub type ResultTrace =
    TraceAgent<ValSpine<(ClassId, RaceId), (RacerId, Arc<RideResult>), EventTime, isize>>;

/// Arranges results by (class, race), from [`Change::Result`].
///
/// Changes are not exchanged: a race's rows are on the workers of its racers.
///
/// ```
/// use std::sync::Arc;
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
/// use velodrome_dataflows::{Change, Output, RideResult, results};
///
/// let result = |seconds, total| {
///     let (best, total) = (Output(98.0), Output(total));
///     Arc::new(RideResult { name: None, final_output: None, best, total, seconds })
/// };
/// // A late sample repairs the ride: the first result is replaced.
/// let (before, after) = (result(1, 98.0), result(2, 195.0));
/// let changes = vec![
///     Change::Result((1, 7), (5, before.clone()), 1),
///     Change::Result((1, 7), (5, before), -1),
///     Change::Result((1, 7), (5, after.clone()), 1),
/// ];
/// let arranged = timely::example(|scope| {
///     results(changes.to_stream(scope)).as_collection(|race, row| (*race, row.clone())).inner.capture()
/// });
/// assert_eq!(arranged.extract(), [(0, vec![(((1, 7), (5, after)), 0, 1)])]);
/// ```
pub fn results<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
) -> Arrangement<'scope, ResultTrace> {
    let updates = select_updates(changes, "ResultChanges", |change, time| match change {
        Change::Result(race, row, diff) => Some(((race, row), time, diff)),
        _ => None,
    });
    arrange_core(updates, Pipeline, "Results", ValBatcher::new)
}
