//! Plain values: the inputs of the graph, the records that its operators exchange, and its state.
//!
//! The lowest layer. Nothing here builds a dataflow. Some values implement `Semigroup`, so that an
//! arrangement can add them as differences.

mod ban;
mod best_final;
mod change;
mod curve;
mod event;
mod ids;
mod mode;
mod name;
mod output;
mod record;
mod ride_result;
mod routing;
mod rules;
mod saved_ride;
mod scoring;
mod stage;
mod view_count;
mod windows;

pub use ban::Ban;
pub use best_final::BestFinal;
pub use change::Change;
pub use curve::Curve;
pub use event::{Sample, Tracking};
pub use ids::{ClassId, EventTime, RaceId, RacerId, RacerKey, RideKey};
pub use mode::Mode;
pub use name::{Name, name_time};
pub use output::Output;
pub use record::Record;
pub use ride_result::RideResult;
pub use rules::{Correction, ExcludedRace, ExcludedRide, RACE_SECONDS_MAX, Rules, device_hash};
pub use saved_ride::{FinishedRide, RetiredRide, SavedRide};
pub use scoring::{ScoredSample, Scoring};
pub use stage::{Stage, Standing};
pub use view_count::{ViewChange, ViewCount};
pub use windows::{DEDUP_DAYS, EVENT_LAG_MS_MAX, REPAIR_WINDOW_MS, RETENTION_MS};

pub(crate) use curve::{CHUNK_SECONDS, CurveChunk};
pub(crate) use routing::{fibonacci_hash, racer_hash};
pub(crate) use windows::{CLOSE_STEP_MS, DAY_MS};
