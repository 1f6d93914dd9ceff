//! The hub's part of a topic: its changes, and when its next frame is due.

use std::time::Duration;

use tokio::time::Instant;

use super::change_tracker::{ChangeTracker, FrameKind, LiveUpdate};
use super::message::Message;
use super::topic::Topic;
use super::trackers::tracker;

/// The next frame of a topic is delayed by this time for each client, and by [`DELAY_PER_CLIENT_BYTE`]
/// for each client and byte of the newest frame. The two constants are about twice the CPU time of
/// sending to a connection (12 us and 0.4 ns a byte, measured with 3,000 clients of
/// `scripts/bench-stream`). So sending takes at most about half a core.
const DELAY_PER_CLIENT: Duration = Duration::from_micros(20);
const DELAY_PER_CLIENT_BYTE: Duration = Duration::from_nanos(1);

/// Decides when a topic publishes a frame of its changes.
pub(super) struct TopicPublisher {
    tracker: Box<dyn ChangeTracker>,
    /// Whether the tracker may have changes to report.
    has_changes: bool,
    last_published: Option<Instant>,
}

impl TopicPublisher {
    /// The publisher of a topic without frames.
    pub(super) fn new(topic: &Topic) -> Self {
        Self { tracker: tracker(topic), has_changes: false, last_published: None }
    }

    /// Collects the changes of an update, and returns whether there may be something to publish.
    pub(super) fn observe(&mut self, update: &LiveUpdate<'_>) -> bool {
        self.has_changes |= self.tracker.observe(update);
        self.has_changes
    }

    /// When the next frame is due, if the previous frame of `bytes` went to `clients`.
    pub(super) fn due_at(&self, clients: usize, bytes: usize, now: Instant) -> Instant {
        let times = |delay: Duration, by: usize| {
            delay.saturating_mul(u32::try_from(by).unwrap_or(u32::MAX))
        };
        let delay = times(DELAY_PER_CLIENT + times(DELAY_PER_CLIENT_BYTE, bytes), clients);
        self.last_published.map_or(now, |last| last + delay)
    }

    /// Reports all changes since the last call, if clients see any.
    pub(super) fn take_changes(
        &mut self,
        update: &LiveUpdate<'_>,
        now: Instant,
    ) -> Option<(FrameKind, Message)> {
        self.has_changes = false;
        let changes = self.tracker.take_changes(update)?;
        self.last_published = Some(now);
        Some(changes)
    }

    /// The complete state of the topic.
    pub(super) fn snapshot(&self, update: &LiveUpdate<'_>) -> Message {
        self.tracker.snapshot(update)
    }
}
