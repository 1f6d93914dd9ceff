//! The races in which a racer has a result.

use std::sync::Arc;

use differential_dataflow::trace::{Cursor, Navigable, TraceReader};
use timely::progress::Antichain;

use crate::operators::ResultTrace;
use crate::values::{ClassId, EventTime, RaceId, RacerId, RideResult};

/// The first `limit` of the given `races` in which a racer has a result at time `at`, in the given
/// order.
///
/// It seeks directly to the racer's rows, because a class can have thousands of races with a thousand
/// racers each.
pub(super) fn racer_races(
    results: &mut ResultTrace,
    at: EventTime,
    (class, racer): (ClassId, RacerId),
    races: &[RaceId],
    limit: usize,
) -> Vec<RaceId> {
    let batches = results.batches_through(Antichain::new().borrow()).unwrap_or_default();
    // One cursor per batch: `CursorList::seek_val` of differential 0.26 also seeks in cursors that are
    // not at the current key, and then skips values.
    let mut cursors: Vec<_> = batches.iter().map(|batch| (batch.cursor(), batch)).collect();
    let first = (racer, Arc::new(RideResult::LEAST));
    let has_result = |race: &&RaceId| {
        let key = (class, **race);
        let mut count = 0;
        for (cursor, batch) in &mut cursors {
            cursor.rewind_keys(batch);
            cursor.seek_key(batch, &key);
            if cursor.get_key(batch) != Some(&key) {
                continue;
            }
            cursor.seek_val(batch, &first);
            while cursor.get_val(batch).is_some_and(|(other, _)| *other == racer) {
                cursor.map_times(batch, |time, diff| {
                    count += if *time <= at { *diff } else { 0 };
                });
                cursor.step_val(batch);
            }
        }
        count > 0
    };
    races.iter().filter(has_result).take(limit).copied().collect()
}
