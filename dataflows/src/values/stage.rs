//! The stage of a ride: running, finished or expired.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::ids::EventTime;
use super::output::Output;

/// The stage of a ride in its race. A service builds the live standings from it.
///
/// ```
/// use velodrome_dataflows::{Output, Stage, Standing};
///
/// let standing =
///     Standing { second: 2, output: Output(98.0), name: Some("Ada".into()), started_at: 1_000 };
/// let running = Stage::Running(standing, vec![(1, Output(97.5)), (2, Output(98.0))]);
/// assert!(matches!(&running, Stage::Running(standing, changed)
///     if standing.second == 2 && changed.len() == 2));
/// assert_ne!(running, Stage::Finished { started_at: 1_000 });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// The ride is running. Emitted whenever its outputs change.
    ///
    /// The rows are (second, best output), by ascending second, for the seconds that changed since the
    /// previous emission. After a restart or a lifted ban, the rows cover all seconds.
    Running(Standing, Vec<(u16, Output)>),
    /// The ride is finished. Emitted once, and again when a ban of its racer is lifted.
    Finished {
        /// The event clock at its first sample.
        started_at: EventTime,
    },
    /// The ride is no longer listed, because its result was removed after the retention or its racer is
    /// banned.
    Expired,
}

/// The standing of a running ride.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Standing {
    /// The latest second that was reported.
    pub second: u16,
    /// The best output at that second.
    pub output: Output,
    /// The name with the greatest device time so far.
    pub name: Option<CompactString>,
    /// The event clock at the ride's first sample.
    pub started_at: EventTime,
}
