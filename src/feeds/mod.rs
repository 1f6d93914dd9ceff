//! Small live state for clients: running races, their standings, what changed when.
//!
//! One thread applies the changes of a tick at once; readers take copies under a lock that nobody
//! holds for longer than a tick takes to apply. Of rides that are over only their number is kept.

mod race;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use velodrome_dataflows::{ClassId, Clock, RaceId, RacerId, RideKey, Stage, Standing};

use state::State;

/// A change of the live state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum FeedChange {
    /// A ride's way through its race.
    Stage(RideKey, Stage),
    /// Records of the class changed.
    Records(ClassId),
    /// The leaderboard of the class changed.
    Leaderboard(ClassId),
}

/// When a race began, its class and id; in this order, races that are newer are greater.
pub type RaceOrder = (Clock, ClassId, RaceId);

/// A race in a list of races.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaceSummary {
    /// When the first of its rides began, its class and id.
    pub order: RaceOrder,
    /// Whether a ride of it is running; else it is over.
    pub is_running: bool,
    /// Its riders, running or over.
    pub racers: usize,
}

/// When something changed last: times of ticks, 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of records.
    pub records: Clock,
    /// Of a leaderboard.
    pub leaderboard: Clock,
}

/// The live state.
#[derive(Debug, Default)]
pub struct Feeds {
    state: RwLock<State>,
}

impl Feeds {
    /// Takes all changes of the tick `time` at once: readers see all of them or none.
    ///
    /// Times ascend from call to call. Changes of one ride stand in the order in which they were
    /// told; those of different rides stand in any order.
    pub fn apply(&self, time: Clock, changes: Vec<FeedChange>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            state.apply(time, change);
        }
    }

    /// How each running ride of a race stands: outputs descending, racers of equal ones ascending.
    /// Empty where the race is over, `None` where no such race is known.
    pub fn standings(&self, class: ClassId, race: RaceId) -> Option<Vec<(RacerId, Standing)>> {
        let mut rows = self.read().standings(class, race)?;
        rows.sort_unstable_by(|(a, x), (b, y)| y.output.cmp(&x.output).then(a.cmp(b)));
        Some(rows)
    }

    /// A race that has riders, running or over.
    pub fn race(&self, class: ClassId, race: RaceId) -> Option<RaceSummary> {
        self.read().race(class, race)
    }

    /// At most `limit` races, of one class or of all, newest first: `began` descending, then class
    /// and race descending. They begin behind the given one, which need not be there any more.
    pub fn races(
        &self,
        class: Option<ClassId>,
        behind: Option<RaceOrder>,
        limit: usize,
    ) -> Vec<RaceSummary> {
        self.read().races(class, behind, limit)
    }

    /// The newest running race of a class.
    pub fn running(&self, class: ClassId) -> Option<RaceId> {
        self.read().running(class)
    }

    /// The newest running race of each class that has one, classes in no order.
    pub fn running_by_class(&self) -> Vec<(ClassId, RaceId)> {
        self.read().running_by_class()
    }

    /// When records and leaderboard of a class changed last.
    pub fn versions(&self, class: ClassId) -> Versions {
        self.read().versions(class)
    }

    /// When the records of each known class changed last, classes in no order.
    pub fn record_versions(&self) -> Vec<(ClassId, Clock)> {
        self.read().record_versions()
    }

    /// When records and leaderboard of any class changed last.
    pub fn newest_versions(&self) -> Versions {
        self.read().newest
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}
