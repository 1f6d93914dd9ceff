//! Small live state for clients: running races, their standings, view counts, what changed when.
//!
//! One thread applies the changes of a tick at once; a reader sees the state of one time, under a lock
//! that nobody holds for longer than a tick takes to apply. Of rides that are over only their number
//! is kept.

mod race;
mod state;
#[cfg(test)]
mod tests;

use std::mem;
use std::ops::Deref;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use compact_str::CompactString;
use velodrome_dataflows::{ClassId, Clock, RaceId, RideKey, Stage, ViewCount};

pub use state::{State, Touched};

/// A change of the live state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum FeedChange {
    /// A ride's way through its race.
    Stage(RideKey, Stage),
    /// Records of the class changed.
    Records(ClassId),
    /// The leaderboard of the class changed.
    Leaderboard(ClassId),
    /// A project was viewed so much more.
    Views(CompactString, ViewCount),
    /// Who is banned changed, and with it records and leaderboards of all classes.
    Bans,
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

/// The live state, behind its lock.
#[derive(Debug, Default)]
pub struct Feeds {
    state: RwLock<State>,
}

/// The live state of one time, which stands still as long as this lives: for as long as it takes to
/// copy what is needed.
#[derive(Debug)]
pub struct Live<'a>(RwLockReadGuard<'a, State>);

impl Feeds {
    /// Takes all changes of the tick `time` at once: readers see all of them or none.
    ///
    /// Times ascend from call to call. Changes of one ride stand in the order in which they were
    /// told; those of different rides stand in any order.
    pub fn apply(&self, time: Clock, changes: Vec<FeedChange>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.apply(time, changes);
    }

    /// Takes over all that `next` holds, at once for readers: what was known before is not said any more, and
    /// whoever asks for what changed is told all that differs. `at` is later than all times so far.
    ///
    /// What was known before is returned.
    pub fn succeed(&self, next: &Self, at: Clock) -> State {
        let next = mem::take(&mut *next.state.write().unwrap_or_else(PoisonError::into_inner));
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = mem::replace(&mut *state, next);
        state.succeed(&mut before, at);
        before
    }

    /// The state now.
    pub fn live(&self) -> Live<'_> {
        Live(self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Deref for Live<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}
