//! `stats`: the service's own metrics.

use crate::serve::stream::change_tracker::{ChangeTracker, FrameKind, LiveUpdate};
use crate::serve::stream::message::Message;
use crate::serve::stream::payload::Payload;

/// Reports each measurement as a snapshot.
pub(super) struct StatsTracker {
    reported_version: u64,
}

impl StatsTracker {
    pub(super) fn new() -> Self {
        Self { reported_version: 0 }
    }
}

impl ChangeTracker for StatsTracker {
    fn observe(&mut self, update: &LiveUpdate<'_>) -> bool {
        self.reported_version != update.stats_version
    }

    fn take_changes(&mut self, update: &LiveUpdate<'_>) -> Option<(FrameKind, Message)> {
        self.reported_version = update.stats_version;
        Some((FrameKind::Reset, self.snapshot(update)))
    }

    fn snapshot(&self, update: &LiveUpdate<'_>) -> Message {
        Message::snapshot(update.time, Payload::Stats(update.stats.clone()))
    }
}
