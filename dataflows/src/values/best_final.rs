//! The best final output of a racer in a class.

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

use super::ids::{EventTime, RaceId};
use super::output::Output;

/// The best output of a racer's final events in a class, and the race in which it was achieved.
///
/// As a difference, the sum of two is the one with the greater output. Among equal outputs it is the
/// one with the smaller race id, and within one race the earlier one.
///
/// ```
/// use velodrome_dataflows::{BestFinal, Output, Semigroup};
///
/// let mut best = BestFinal { output: Output(150.0), race: 9, at: 1_000 };
/// best.plus_equals(&BestFinal { output: Output(140.0), race: 1, at: 2_000 });
/// assert_eq!(best.race, 9, "a smaller output changes nothing");
/// best.plus_equals(&BestFinal { output: Output(150.0), race: 7, at: 3_000 });
/// assert_eq!(best.race, 7, "of equal outputs, the smaller race id counts");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BestFinal {
    /// Output of the final event.
    pub output: Output,
    /// The race that it was set in.
    pub race: RaceId,
    /// The event clock at the final event.
    pub at: EventTime,
}

impl IsZero for BestFinal {
    /// Always false: a maximum has no inverse, so no sum cancels out.
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
