//! Race results: one row a ride.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::output::Output;

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
