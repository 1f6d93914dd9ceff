//! Changes: what the rides operator emits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ban::Ban;
use super::best_final::BestFinal;
use super::ids::{ClassId, RaceId, RacerId, RideKey};
use super::name::Name;
use super::record::Record;
use super::ride_result::RideResult;
use super::saved_ride::SavedRide;
use super::stage::Stage;

/// A change emitted by the rides operator. Every downstream operator reads changes.
///
/// One stream carries all kinds, and each operator selects its own. A checkpoint saves the kinds that it
/// needs. After a restart, they are sent into the rides operator again.
///
/// ```
/// use velodrome_dataflows::{BestFinal, Change, Output};
///
/// let best = BestFinal { output: Output(98.0), race: 7, at: 1_000 };
/// let changes = [Change::Final((1, 5), best), Change::Late(2)];
/// let finals = changes.iter().filter(|change| matches!(change, Change::Final(..)));
/// assert_eq!(finals.count(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Change {
    /// Outputs that a racer reached in a class, from a finished ride or a late sample.
    Record((ClassId, RacerId), Record),
    /// The output of a final event.
    Final((ClassId, RacerId), BestFinal),
    /// A name of a racer in a class.
    Name((ClassId, RacerId), Name),
    /// A ride's result is added (+1) or removed (-1).
    Result((ClassId, RaceId), (RacerId, Arc<RideResult>), isize),
    /// The number of samples that arrived after the repair window of their ride.
    Late(u64),
    /// The ban list changed. Emitted on every worker.
    Ban(Ban),
    /// The stage of a ride changed. Emitted by a service only, and not for banned racers.
    Stage(RideKey, Stage),
    /// The new saved state of a ride, for the checkpoint. Emitted by a service only.
    Saved(RideKey, SavedRide),
}
