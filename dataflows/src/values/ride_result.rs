//! The result of a ride.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::output::Output;

/// The result of a finished ride.
///
/// ```
/// use velodrome_dataflows::{Output, RideResult};
///
/// // A racer who reported the seconds 1 and 3, the latter in a final event.
/// let result = RideResult {
///     name: Some("Ada".into()),
///     final_output: Some(Output(66.0)),
///     best: Output(66.0),
///     total: Output(131.5),
///     seconds: 2,
/// };
/// assert_eq!(result.total.0 / f64::from(result.seconds), 65.75);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RideResult {
    /// The name with the greatest device time among the ride's events, then the greatest text.
    pub name: Option<CompactString>,
    /// The greatest output of a final event, if there was one.
    pub final_output: Option<Output>,
    /// The greatest output.
    pub best: Output,
    /// The sum of the best output of each distinct second, added in the order of seconds.
    pub total: Output,
    /// The number of distinct seconds that were reported.
    pub seconds: u16,
}
