//! Changes of the live state, and the keys that they touch.

use compact_str::CompactString;
use hashbrown::{HashMap, HashSet};
use velodrome_dataflows::{ClassId, RaceId, RacerId, RideKey, Stage, ViewCount};

/// A change of the live state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum LiveChange {
    /// The new stage of a ride.
    Stage(RideKey, Stage),
    /// Records of the class changed.
    Records(ClassId),
    /// The leaderboard of the class changed.
    Leaderboard(ClassId),
    /// Results of races of the class changed.
    Results(ClassId),
    /// Views to add to a project's count.
    Views(CompactString, ViewCount),
    /// The ban list changed, and with it possibly the records and leaderboards of all classes.
    Bans,
}

/// The keys of everything that was added, changed or removed since the last call of
/// [`take_changed`](super::LiveTables::take_changed).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ChangedKeys {
    /// Rides that were running before or after the change, by race.
    pub rides: HashMap<(ClassId, RaceId), HashSet<RacerId>>,
    /// Races whose summary changed.
    pub races: HashSet<(ClassId, RaceId)>,
    /// Projects with new views.
    pub projects: HashSet<CompactString>,
}
