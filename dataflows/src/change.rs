//! What the rides tell: changes of all that follows from them.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::bans::Ban;
use crate::curve::Record;
use crate::event::{ClassId, Clock, RaceId, RacerId};
use crate::leaderboard::BestFinal;
use crate::names::Name;
use crate::output::Output;
use crate::results::RideResult;

/// A ride: one racer in one race of a class.
pub type RideKey = (ClassId, RaceId, RacerId);

/// What became of a ride, or was learnt from a sample that came too late for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Change {
    /// Outputs that the racer reached in the class.
    Record((ClassId, RacerId), Record),
    /// A final event's output.
    Final((ClassId, RacerId), BestFinal),
    /// A name that the racer had.
    Name(RacerId, Name),
    /// The ride's result stands (+1) or no longer stands (-1).
    Result((ClassId, RaceId), (RacerId, Arc<RideResult>), isize),
    /// So many samples came more than an hour after their ride was over.
    Late(u64),
    /// Who is banned changed; told on every worker.
    Ban(Ban),
    /// The ride's way through its race; told in a service only, and not of racers who are banned.
    Stage(RideKey, Stage),
    /// What a checkpoint is to keep of the ride from now on; told in a service only.
    Kept(RideKey, Kept),
}

/// Where a ride stands in its race.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Running; told whenever the standing changes, with the best outputs of the seconds that changed since
    /// it was told before: of all seconds where it is told anew.
    Running(Standing, Vec<(u16, Output)>),
    /// Over; told once, and again when a ban of its racer is lifted.
    Over {
        /// The event clock at its first sample.
        began: Clock,
    },
    /// Running or over no longer: over for so long that its result was taken back, or its racer is
    /// banned.
    Forgotten,
}

/// How a running ride stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Standing {
    /// The latest second that was reported.
    pub second: u16,
    /// The best output at that second.
    pub output: Output,
    /// The name with the greatest device time so far.
    pub name: Option<CompactString>,
    /// The event clock at its first sample.
    pub began: Clock,
}

/// What must be known of a ride that is over, to go on from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kept {
    /// It can still be repaired.
    Over(OverRide),
    /// It cannot: samples that come now are late.
    Retired(RetiredRide),
    /// Nothing.
    Forgotten,
}

/// A ride that is over and can be repaired.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OverRide {
    /// The event clock at which it was over.
    pub due: Clock,
    /// The event clock at its first sample.
    pub began: Clock,
    /// The best output of each second.
    pub record: Record,
    /// The greatest output of a final event.
    pub final_output: Option<Output>,
    /// The name with the greatest device time.
    pub name: Option<Name>,
}

/// A ride that cannot be repaired any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RetiredRide {
    /// The event clock at which it was over.
    pub due: Clock,
    /// The event clock at its first sample.
    pub began: Clock,
    /// What it came to.
    pub result: Arc<RideResult>,
}
