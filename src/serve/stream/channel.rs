//! A topic that is followed: its frames, its clients, and when it has its turn.

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

/// How long a topic's next frame waits for each client that the last one goes to, and for each byte of
/// it: about twice what the CPU takes to hand it to a connection (measured with 3,000 clients of
/// `scripts/bench-stream`: 12 us, and 0.4 ns a byte). So fan-out takes about half a core at most.
const FAN_OUT: Duration = Duration::from_micros(20);
const FAN_OUT_BYTE: Duration = Duration::from_nanos(1);

/// A topic that is followed, or was until a short while ago.
pub(super) struct Channel {
    pub(super) ring: Ring,
    /// Whether somebody waits for a snapshot.
    pub(super) snapshot_requested: AtomicBool,
    pub(super) subscribers: HashMap<u64, Arc<Notify>>,
    /// When the last of them left.
    pub(super) left: Instant,
    /// The hub's alone; it is here so that it goes with the topic.
    pub(super) state: Mutex<TopicState>,
}

/// What the hub knows of a topic.
pub(super) struct TopicState {
    pub(super) source: Box<dyn Source + Sync>,
    /// Whether there may be something to tell.
    pub(super) is_pending: bool,
    /// When a frame was told last.
    pub(super) last: Option<Instant>,
}

impl Channel {
    /// A topic that nobody followed when `published` was the last position.
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
    /// Of a topic of which nothing was told yet.
    pub(super) fn new(topic: &Topic) -> Self {
        Self { source: topic.source(), is_pending: false, last: None }
    }

    /// When the topic has its turn, as the last frame of so many bytes went to so many clients.
    pub(super) fn due(&self, subscribers: usize, bytes: usize, now: Instant) -> Instant {
        let times =
            |wait: Duration, by: usize| wait.saturating_mul(u32::try_from(by).unwrap_or(u32::MAX));
        let wait = times(FAN_OUT + times(FAN_OUT_BYTE, bytes), subscribers);
        self.last.map_or(now, |last| last + wait)
    }

    /// What is to be told of all that was noted, now that it is the topic's turn.
    pub(super) fn next(&mut self, tick: &Tick<'_>, now: Instant) -> Option<(Place, Draft)> {
        self.is_pending = false;
        let next = self.source.next(tick)?;
        self.last = Some(now);
        Some(next)
    }
}
