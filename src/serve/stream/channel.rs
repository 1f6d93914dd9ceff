//! A followed topic: its frames, its clients, and when its next frame is due.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hashbrown::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;
use velodrome_dataflows::EventTime;

use super::draft::Draft;
use super::ring::Ring;
use super::tick::{Place, Source, Tick};
use super::topic::Topic;

/// Minimum time between two frames of a topic, per client and per byte and client of the last frame.
/// It is about twice the CPU time that sending takes (measured with 3,000 clients of
/// `scripts/bench-stream`: 12 us, and 0.4 ns a byte). Fan-out therefore uses about half a core at most.
const FAN_OUT: Duration = Duration::from_micros(20);
const FAN_OUT_BYTE: Duration = Duration::from_nanos(1);

/// A topic that clients follow now or followed recently.
pub(super) struct Channel {
    pub(super) ring: Ring,
    /// Whether a client waits for a snapshot.
    pub(super) snapshot_requested: AtomicBool,
    pub(super) subscribers: HashMap<u64, Arc<Notify>>,
    /// When the last subscriber left.
    pub(super) left: Instant,
    /// Only the hub uses it. It is stored here so that it is dropped with the topic.
    pub(super) state: Mutex<TopicState>,
}

/// The hub's state of a topic.
pub(super) struct TopicState {
    pub(super) source: Box<dyn Source + Sync>,
    /// Whether a frame may be due.
    pub(super) is_pending: bool,
    /// When the last frame was built.
    pub(super) last: Option<Instant>,
}

impl Channel {
    /// Creates the channel of a topic that had no clients up to position `published`.
    pub(super) fn new(topic: &Topic, published: EventTime) -> Self {
        Self {
            ring: Ring::new(published),
            snapshot_requested: AtomicBool::new(false),
            subscribers: HashMap::new(),
            left: Instant::now(),
            state: Mutex::new(TopicState::new(topic)),
        }
    }
}

impl TopicState {
    /// Creates the state of a topic that has sent no frame yet.
    pub(super) fn new(topic: &Topic) -> Self {
        Self { source: topic.source(), is_pending: false, last: None }
    }

    /// Returns when the next frame is due, after a frame of `bytes` bytes went to `subscribers` clients.
    pub(super) fn due(&self, subscribers: usize, bytes: usize, now: Instant) -> Instant {
        let times =
            |wait: Duration, by: usize| wait.saturating_mul(u32::try_from(by).unwrap_or(u32::MAX));
        let wait = times(FAN_OUT + times(FAN_OUT_BYTE, bytes), subscribers);
        self.last.map_or(now, |last| last + wait)
    }

    /// Returns the frame for all recorded changes, if there is one. Call it once the frame is due.
    pub(super) fn next(&mut self, tick: &Tick<'_>, now: Instant) -> Option<(Place, Draft)> {
        self.is_pending = false;
        let next = self.source.next(tick)?;
        self.last = Some(now);
        Some(next)
    }
}
