//! The interface between the hub and each kind of topic: which changes to report, and how.

use velodrome_dataflows::EventTime;

use super::message::Message;
use super::payload::Stats;
use crate::live_state::{ChangedKeys, LiveTables};

/// The live state as of one time, and the changes since the hub last read it.
pub(super) struct LiveUpdate<'a> {
    pub(super) time: EventTime,
    pub(super) live: &'a LiveTables,
    pub(super) changed: &'a ChangedKeys,
    /// Measured once a second.
    pub(super) stats: &'a Stats,
    /// The number of measurements so far.
    pub(super) stats_version: u64,
}

/// How a frame enters its topic's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A snapshot that replaces all earlier frames, for current clients too.
    Reset,
    /// A delta after the earlier frames.
    Delta,
    /// A snapshot for new clients only.
    Snapshot,
}

/// Collects the changes of one topic until the topic's next frame is due.
pub(super) trait ChangeTracker: Send + Sync {
    /// Collects the changes of an update. Called for every update. Returns whether there may be
    /// something to report.
    fn observe(&mut self, update: &LiveUpdate<'_>) -> bool;

    /// Reports all changes since the last call. `None` if nothing that clients see has changed.
    fn take_changes(&mut self, update: &LiveUpdate<'_>) -> Option<(FrameKind, Message)>;

    /// The complete state of the topic.
    fn snapshot(&self, update: &LiveUpdate<'_>) -> Message;
}
