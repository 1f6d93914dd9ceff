//! The leaderboard: each racer's best final output in each class.

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

use crate::event::RaceId;
use crate::output::Output;

/// The best final output of a racer in a class, and where it was set.
///
/// As a difference, adding two keeps the greater output; of equal ones, the smaller race id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BestFinal {
    /// Output of the final event.
    pub output: Output,
    /// The race where it was set.
    pub race: RaceId,
}

impl IsZero for BestFinal {
    /// Never: a maximum has no inverse.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for BestFinal {
    fn plus_equals(&mut self, other: &Self) {
        let order = other.output.cmp(&self.output).then(self.race.cmp(&other.race));
        if order.is_gt() {
            *self = *other;
        }
    }
}
