//! The interface between the hub and the topics: [`Tick`] is the input, [`Source`] produces frames.

use velodrome_dataflows::EventTime;

use super::draft::{Draft, Stats};
use crate::live_state::{ChangedKeys, LiveTables};

/// The live state at one time, and the changes since the previous tick.
pub(super) struct Tick<'a> {
    pub(super) time: EventTime,
    pub(super) live: &'a LiveTables,
    pub(super) touched: &'a ChangedKeys,
    /// The service's own figures, measured once a second.
    pub(super) stats: &'a Stats,
    /// Number of measurements so far; it identifies `stats`.
    pub(super) second: u64,
}

/// Where the hub puts a frame in its topic's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A snapshot that replaces all frames in the ring.
    Begin,
    /// A delta that is appended to the ring.
    Push,
    /// A snapshot for new clients only; the frames in the ring stay.
    Refresh,
}

/// Computes the frames of one topic from the live state.
pub(super) trait Source: Send {
    /// Records the changes of one tick and returns whether a frame may be due.
    /// The hub calls it for every tick.
    fn note(&mut self, tick: &Tick<'_>) -> bool;

    /// Returns one frame for all changes recorded since the previous call, or `None` if the client's
    /// state would not change.
    fn next(&mut self, tick: &Tick<'_>) -> Option<(Place, Draft)>;

    /// Returns the complete state of the topic.
    fn snapshot(&self, tick: &Tick<'_>) -> Draft;
}
