//! Race results: one row a ride.

use std::sync::Arc;

use compact_str::CompactString;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{ValBatcher, ValSpine};
use differential_dataflow::trace::{Cursor, Navigable, TraceReader};
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::progress::Antichain;

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

impl RideResult {
    /// Less than what any ride comes to, as outputs are finite.
    const LEAST: Self = Self {
        name: None,
        final_output: None,
        best: Output(f64::NEG_INFINITY),
        total: Output(f64::NEG_INFINITY),
        seconds: 0,
    };
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

/// The first `limit` of `races` of a class in which a racer has a result at time `at`, in their order.
///
/// It goes to the racer's own values: a class has thousands of races, of a thousand riders each.
pub(crate) fn ridden(
    results: &mut ResultTrace,
    at: Clock,
    (class, racer): (ClassId, RacerId),
    races: &[RaceId],
    limit: usize,
) -> Vec<RaceId> {
    let batches = results.batches_through(Antichain::new().borrow()).unwrap_or_default();
    // A cursor each: that of a list does not go to a value where a batch has no more keys.
    let mut cursors: Vec<_> = batches.iter().map(|batch| (batch.cursor(), batch)).collect();
    let first = (racer, Arc::new(RideResult::LEAST));
    let is_ridden = |race: &&RaceId| {
        let key = (class, **race);
        let mut count = 0;
        for (cursor, batch) in &mut cursors {
            cursor.rewind_keys(batch);
            cursor.seek_key(batch, &key);
            if cursor.get_key(batch) != Some(&key) {
                continue;
            }
            cursor.seek_val(batch, &first);
            while cursor.get_val(batch).is_some_and(|(of, _)| *of == racer) {
                cursor.map_times(batch, |time, diff| {
                    count += if *time <= at { *diff } else { 0 };
                });
                cursor.step_val(batch);
            }
        }
        count > 0
    };
    races.iter().filter(is_ridden).take(limit).copied().collect()
}
