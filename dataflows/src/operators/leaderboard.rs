//! The leaderboard: each racer's best final output in each class.

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;

use super::arrangement::Arrangement;
use super::select::select_updates;
use crate::values::{BestFinal, Change, ClassId, EventTime, RacerId};

/// The trace of [`leaderboard`]: best final outputs by (class, racer), as differences.
pub type LeaderboardTrace = TraceAgent<KeySpine<(ClassId, RacerId), EventTime, BestFinal>>;

/// Arranges the best final outputs by (class, racer), from [`Change::Final`].
///
/// Changes are not exchanged: they are on the worker of the racer's rides.
///
/// ```
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
/// use velodrome_dataflows::{BestFinal, Change, Output, leaderboard};
///
/// let arranged = timely::example(|scope| {
///     let finals = [(7, 97.5), (8, 99.0), (9, 98.0)].map(|(race, output)| {
///         Change::Final((1, 5), BestFinal { output: Output(output), race, at: 1_000 })
///     });
///     let changes = finals.to_stream(scope);
///     leaderboard(changes).as_collection(|key, ()| *key).inner.capture()
/// });
/// let best = BestFinal { output: Output(99.0), race: 8, at: 1_000 };
/// assert_eq!(arranged.extract(), [(0, vec![((1, 5), 0, best)])]);
/// ```
pub fn leaderboard<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
) -> Arrangement<'scope, LeaderboardTrace> {
    let updates = select_updates(changes, "FinalChanges", |change, time| match change {
        Change::Final(key, best) => Some(((key, ()), time, best)),
        _ => None,
    });
    arrange_core(updates, Pipeline, "Leaderboard", KeyBatcher::new)
}
