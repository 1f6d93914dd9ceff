//! The leaderboard: each racer's best final output in each class.

use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;

use crate::Arrangement;
use crate::change::Change;
use crate::event::{ClassId, Clock, RaceId, RacerId};
use crate::output::Output;
use crate::rides::select;

/// The best final output of a racer in a class, and where it was set.
///
/// As a difference, adding two keeps the greater output; of equal ones, the smaller race id; of those
/// of one race, the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BestFinal {
    /// Output of the final event.
    pub output: Output,
    /// The race where it was set.
    pub race: RaceId,
    /// The event clock at the final event that set it.
    pub at: Clock,
}

impl IsZero for BestFinal {
    /// Never: a maximum has no inverse.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for BestFinal {
    fn plus_equals(&mut self, other: &Self) {
        let order = other.output.cmp(&self.output);
        let order = order.then(self.race.cmp(&other.race)).then(self.at.cmp(&other.at));
        if order.is_gt() {
            *self = *other;
        }
    }
}

/// Best final outputs by (class, racer), as differences.
pub type LeaderboardTrace = TraceAgent<KeySpine<(ClassId, RacerId), Clock, BestFinal>>;

/// Arranges the best final outputs by (class, racer), on the worker where the racer's rides are.
pub fn leaderboard<'scope>(
    changes: Stream<'scope, Clock, Vec<Change>>,
) -> Arrangement<'scope, LeaderboardTrace> {
    let updates = select(changes, "FinalChanges", |change, time| match change {
        Change::Final(key, best) => Some(((key, ()), time, best)),
        _ => None,
    });
    arrange_core(updates, Pipeline, "Leaderboard", KeyBatcher::new)
}
