//! Race results: one row a ride.

use std::sync::Arc;

use compact_str::CompactString;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{ValBatcher, ValSpine};
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;

use crate::Arrangement;
use crate::change::Change;
use crate::event::{ClassId, Clock, RaceId, RacerId};
use crate::output::Output;
use crate::rides::select;

/// What a ride (one racer in one race) came to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RideResult {
    /// The name with the greatest device time among the ride's events, then the greatest name.
    pub name: Option<CompactString>,
    /// The greatest output of a final event, if one came.
    pub final_output: Option<Output>,
    /// The greatest output.
    pub best: Output,
    /// The sum of the best output of each distinct second, added in the order of seconds.
    pub total: Output,
    /// How many distinct seconds were reported.
    pub seconds: u16,
}

/// Results of a race's riders by (class, race), as ordinary rows.
pub type ResultTrace =
    TraceAgent<ValSpine<(ClassId, RaceId), (RacerId, Arc<RideResult>), Clock, isize>>;

/// Arranges the results by (class, race), each on the worker where its rider's record is.
pub fn results<'scope>(
    changes: Stream<'scope, Clock, Vec<Change>>,
) -> Arrangement<'scope, ResultTrace> {
    let updates = select(changes, "ResultChanges", |change, time| match change {
        Change::Result(race, row, diff) => Some(((race, row), time, diff)),
        _ => None,
    });
    arrange_core(updates, Pipeline, "Results", ValBatcher::new)
}
