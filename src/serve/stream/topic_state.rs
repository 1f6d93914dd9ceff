//! The state of an active topic: its frames, its clients, and its unpublished changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;
use velodrome_dataflows::EventTime;

use super::change_tracker::{FrameKind, LiveUpdate};
use super::frame::Frame;
use super::frame_ring::{FrameRing, SNAPSHOT_INTERVAL};
use super::message::Message;
use super::topic::Topic;
use super::topic_publisher::TopicPublisher;
use crate::serve::client::Client;

/// The state of a topic that has subscribers, or had some until recently.
pub(super) struct TopicState {
    /// The client that made it active.
    pub(super) owner: Client,
    pub(super) ring: FrameRing,
    /// Wakes each subscriber, by its client id.
    pub(super) subscribers: HashMap<u64, Arc<Notify>>,
    /// When the last subscriber left.
    pub(super) last_left: Instant,
    /// Whether a client waits for a snapshot.
    is_snapshot_requested: AtomicBool,
    /// Whether a large snapshot is being encoded. Changes after it wait until it is published.
    is_encoding: AtomicBool,
    /// Used by the hub only. It is here so that it is dropped with the topic.
    publisher: Mutex<TopicPublisher>,
}

/// The messages of a topic that are due.
#[derive(Default)]
pub(super) struct DueMessages {
    pub(super) messages: Vec<(FrameKind, Message)>,
    /// When further messages are due, if any are pending.
    pub(super) next_due: Option<Instant>,
}

impl TopicState {
    /// The state of a topic without subscribers so far, which `owner` makes active. `published` is the newest position of
    /// any topic.
    pub(super) fn new(topic: &Topic, owner: Client, published: EventTime) -> Self {
        Self {
            owner,
            ring: FrameRing::new(published),
            subscribers: HashMap::new(),
            last_left: Instant::now(),
            is_snapshot_requested: AtomicBool::new(false),
            is_encoding: AtomicBool::new(false),
            publisher: Mutex::new(TopicPublisher::new(topic)),
        }
    }

    /// Makes the hub build a snapshot in its next round.
    pub(super) fn request_snapshot(&self) {
        self.is_snapshot_requested.store(true, Ordering::Release);
    }

    /// Adds a frame to the ring.
    pub(super) fn add_frame(&mut self, kind: FrameKind, frame: Frame, now: Instant) {
        match kind {
            FrameKind::Reset => self.ring.reset(frame, now),
            FrameKind::Delta => return self.ring.push(frame),
            FrameKind::Snapshot => self.ring.set_snapshot(frame, now),
        }
        self.is_snapshot_requested = AtomicBool::new(false);
        self.is_encoding = AtomicBool::new(false);
    }

    /// Discards the unpublished changes after a frame failed. Only the frames of standings and boards
    /// can fail, and their new publisher starts with a snapshot.
    pub(super) fn restart(&mut self, topic: &Topic) {
        self.publisher = Mutex::new(TopicPublisher::new(topic));
    }

    /// Collects the changes of an update, and returns the messages that are due at `now`.
    pub(super) fn due_messages(&self, update: &LiveUpdate<'_>, now: Instant) -> DueMessages {
        let mut publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = DueMessages::default();
        let mut is_reset = false;
        let has_changes = publisher.observe(update);
        if self.is_encoding.load(Ordering::Acquire) {
            return due;
        }
        if has_changes {
            let bytes = self.ring.newest_frame_bytes();
            let due_at = publisher.due_at(self.subscribers.len(), bytes, now);
            if due_at > now {
                due.postpone(due_at);
            } else if let Some((kind, message)) = publisher.take_changes(update, now) {
                is_reset = kind == FrameKind::Reset;
                due.messages.push((kind, message));
            }
        }
        // A reset is a snapshot already.
        if self.is_snapshot_requested.load(Ordering::Acquire) && !is_reset {
            let built_at = self.ring.snapshot_built_at();
            let due_at = built_at.map_or(now, |built_at| built_at + SNAPSHOT_INTERVAL);
            if due_at > now {
                due.postpone(due_at);
            } else {
                let snapshot = publisher.snapshot(update);
                self.is_encoding.store(snapshot.is_large(), Ordering::Release);
                due.messages.push((FrameKind::Snapshot, snapshot));
            }
        }
        due
    }
}

impl DueMessages {
    fn postpone(&mut self, until: Instant) {
        self.next_due = Some(self.next_due.map_or(until, |next| next.min(until)));
    }
}
