//! Rides as a checkpoint saves them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::EventTime;
use super::name::Name;
use super::output::Output;
use super::record::Record;
use super::ride_result::RideResult;

/// The state of a finished ride in a checkpoint. Running rides are not saved but replayed from the log.
///
/// ```
/// use velodrome_dataflows::{Curve, FinishedRide, Output, Record, SavedRide};
///
/// let mut curve = Curve::default();
/// curve.raise(1, 97.5);
/// let saved = SavedRide::Finished(FinishedRide {
///     closes_at: 360_000,
///     started_at: 1_000,
///     record: Record::from(curve),
///     final_output: Some(Output(97.5)),
///     name: None,
/// });
/// assert_ne!(saved, SavedRide::Expired);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SavedRide {
    /// The ride has finished; late samples can still change its result.
    Finished(FinishedRide),
    /// The repair window is over: samples that arrive now are late.
    Retired(RetiredRide),
    /// The retention is over: the checkpoint removes the ride.
    Expired,
}

/// A finished ride within its repair window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FinishedRide {
    /// The event clock at which the ride closed.
    pub closes_at: EventTime,
    /// The event clock at its first sample.
    pub started_at: EventTime,
    /// The best output of each second.
    pub record: Record,
    /// The greatest output of a final event.
    pub final_output: Option<Output>,
    /// The name with the greatest device time.
    pub name: Option<Name>,
}

/// A ride after its repair window: only its result is retained.
///
/// ```
/// use std::sync::Arc;
/// use velodrome_dataflows::{Output, REPAIR_WINDOW_MS, RetiredRide, RideResult};
///
/// let result = RideResult {
///     name: None,
///     final_output: None,
///     best: Output(97.5),
///     total: Output(97.5),
///     seconds: 1,
/// };
/// let ride = RetiredRide { closes_at: 360_000, started_at: 1_000, result: Arc::new(result) };
/// let is_late = |clock| clock > ride.closes_at + REPAIR_WINDOW_MS;
/// assert!(is_late(3_960_001) && !is_late(3_960_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RetiredRide {
    /// The event clock at which the ride closed.
    pub closes_at: EventTime,
    /// The event clock at its first sample.
    pub started_at: EventTime,
    /// Its result.
    pub result: Arc<RideResult>,
}
