//! The state that clients see live: standings of running races, the list of races, view counts, and when
//! each class last changed.
//!
//! One engine thread writes and many tasks read. A writer applies all changes of one tick under the
//! lock, so a reader always sees the state as of one time. Finished rides are only counted here.

mod change;
mod classes;
mod projects;
mod race;
mod sorted_chunks;
mod standings;
mod tables;
#[cfg(test)]
mod tests;

use std::mem;
use std::ops::Deref;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use velodrome_dataflows::EventTime;

pub use change::{ChangedKeys, LiveChange};
pub use classes::Versions;
pub use projects::ProjectList;
pub use race::{RaceOrder, RaceSummary};
pub use standings::{StandingsPart, StandingsRows};
pub use tables::LiveTables;

/// The live state, shared between the engine and its readers.
#[derive(Debug, Default)]
pub struct LiveState {
    tables: RwLock<LiveTables>,
}

/// Read access to the live state as of one time. It blocks the writer, so hold it only to copy what you
/// need.
#[derive(Debug)]
pub struct LiveStateGuard<'a>(RwLockReadGuard<'a, LiveTables>);

impl LiveState {
    /// Applies all changes of the tick `time` atomically.
    ///
    /// Times must ascend from call to call. Changes of one ride are applied in the given order; the
    /// order between different rides does not matter.
    pub fn apply(&self, time: EventTime, changes: Vec<LiveChange>) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.apply(time, changes);
    }

    /// Replaces this state with that of `next`, atomically, and returns the previous one.
    ///
    /// Every difference between the two states counts as a change at `at`, which must be later than all
    /// times so far. `next` is left empty.
    pub fn replace_with(&self, next: &Self, at: EventTime) -> LiveTables {
        let next = mem::take(&mut *next.tables.write().unwrap_or_else(PoisonError::into_inner));
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let mut previous = mem::replace(&mut *tables, next);
        tables.mark_differences(&mut previous, at);
        previous
    }

    /// Locks the state for reading.
    pub fn read(&self) -> LiveStateGuard<'_> {
        LiveStateGuard(self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Deref for LiveStateGuard<'_> {
    type Target = LiveTables;

    fn deref(&self) -> &LiveTables {
        &self.0
    }
}
