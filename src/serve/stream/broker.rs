//! The broker: the active topics, their frames and their subscribers.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use hashbrown::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;
use velodrome_dataflows::EventTime;

use super::change_tracker::FrameKind;
use super::frame::Frame;
use super::topic::Topic;
use super::topic_state::TopicState;
use crate::serve::client::Client;
use crate::serve::error::ApiError;

/// The maximum number of active topics: the default limit of connections. A client can make as many active as are free: half
/// of them when it is alone.
const ACTIVE_TOPICS_MAX: usize = 10_000;
/// How long a topic without subscribers stays active, for clients that reconnect.
const IDLE_TOPIC_RETENTION: Duration = Duration::from_secs(60);

/// Connects the hub, which publishes frames, with the subscriptions, which read them.
pub(in crate::serve) struct Broker {
    state: RwLock<BrokerState>,
    /// Wakes the hub when a client needs a snapshot.
    pub(super) snapshot_requested: Notify,
    /// A part of all event ids. It differs in each run of the service.
    pub(super) epoch: u64,
}

#[derive(Default)]
pub(super) struct BrokerState {
    pub(super) topics: HashMap<Topic, TopicState>,
    /// The position of the newest frame of any topic.
    pub(super) published: EventTime,
    /// The number of open streams.
    streams: usize,
    next_client: u64,
    is_closed: bool,
}

/// A frame to publish, or the error that prevented it.
pub(super) struct NewFrame {
    pub(super) topic: Topic,
    pub(super) kind: FrameKind,
    pub(super) frame: Result<Frame, ApiError>,
}

/// What to send to a client.
pub(super) enum NextFrames {
    /// Nothing yet. The client is woken when this may have changed.
    Pending,
    /// Frames in the order to send, at least one.
    Ready {
        frames: Vec<Bytes>,
        /// The position of the last frame. A client that has received all of them may resume after it.
        position: EventTime,
        /// The number of topics that start with a snapshot.
        snapshots: u64,
    },
    /// Nothing more: the service is stopping, or a topic was removed.
    Closed,
}

impl Broker {
    /// A broker without topics. `epoch` is different in each run of the service: ids of previous runs
    /// are invalid.
    pub(in crate::serve) fn new(epoch: u64) -> Self {
        let (state, snapshot_requested) = (RwLock::default(), Notify::new());
        Self { state, snapshot_requested, epoch }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, BrokerState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BrokerState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of open streams.
    pub(in crate::serve) fn streams(&self) -> usize {
        self.read().streams
    }

    /// The number of active topics.
    pub(in crate::serve) fn topics(&self) -> usize {
        self.read().topics.len()
    }

    /// Subscribes a stream of `owner` to `topics`, and returns its id. `wake` is notified of new frames.
    ///
    /// # Errors
    /// 503 `stopping`, or `too_many_topics` if too many are active.
    pub(in crate::serve) fn subscribe(
        &self,
        owner: Client,
        topics: &[Topic],
        wake: &Arc<Notify>,
    ) -> Result<u64, ApiError> {
        let mut state = self.write();
        if state.is_closed {
            return Err(unavailable("stopping", "the service is stopping"));
        }
        if !state.has_room(owner, topics) {
            state.topics.retain(|_, topic_state| !topic_state.subscribers.is_empty());
        }
        if !state.has_room(owner, topics) {
            let message = "too many topics have subscribers; try again in a second";
            return Err(unavailable("too_many_topics", message));
        }
        let (client, published) = (state.next_client, state.published);
        for topic in topics {
            let topic_state = || TopicState::new(topic, owner, published);
            let topic_state = state.topics.entry(topic.clone()).or_insert_with(topic_state);
            topic_state.subscribers.insert(client, Arc::clone(wake));
        }
        state.next_client += 1;
        state.streams += 1;
        metrics::gauge!("velodrome_streams").set(state.streams as f64);
        Ok(client)
    }

    /// Removes the subscriptions of a client.
    pub(super) fn unsubscribe(&self, topics: &[Topic], client: u64) {
        let mut state = self.write();
        for topic in topics {
            if let Some(topic_state) = state.topics.get_mut(topic) {
                topic_state.subscribers.remove(&client);
                topic_state.last_left = Instant::now();
            }
        }
        state.streams -= 1;
        metrics::gauge!("velodrome_streams").set(state.streams as f64);
    }

    /// The frames of `topics` after `cursor`, which advances to the newest position.
    ///
    /// A topic starts with a snapshot if it has dropped frames after the cursor, or if there is no
    /// cursor.
    pub(super) fn next_frames(
        &self,
        topics: &[Topic],
        cursor: &mut Option<EventTime>,
    ) -> NextFrames {
        let (state, now) = (self.read(), Instant::now());
        if state.is_closed {
            return NextFrames::Closed;
        }
        let (mut frames, mut snapshots, mut is_missing) = (Vec::<&Frame>::new(), 0, false);
        for topic in topics {
            let Some(topic_state) = state.topics.get(topic) else { return NextFrames::Closed };
            let ring = &topic_state.ring;
            if let Some(after) = cursor.and_then(|cursor| ring.frames_after(cursor)) {
                frames.extend(after);
            } else if let Some(from_snapshot) = ring.frames_from_snapshot(now) {
                frames.extend(from_snapshot);
                snapshots += 1;
            } else {
                topic_state.request_snapshot();
                is_missing = true;
            }
        }
        if is_missing {
            self.snapshot_requested.notify_one();
            return NextFrames::Pending;
        }
        *cursor = Some(state.published);
        frames.sort_by_key(|frame| frame.position);
        let Some(position) = frames.last().map(|last| last.position) else {
            return NextFrames::Pending;
        };
        let frames = frames.into_iter().map(|frame| frame.bytes.clone()).collect();
        NextFrames::Ready { frames, position, snapshots }
    }

    /// Publishes frames at `position`, which must be greater than all previous positions, and wakes the
    /// subscribers of their topics.
    ///
    /// A topic whose frame failed restarts with a snapshot.
    pub(super) fn publish(&self, position: EventTime, frames: Vec<NewFrame>) {
        let (mut state, now) = (self.write(), Instant::now());
        let mut topics = Vec::with_capacity(frames.len());
        for NewFrame { topic, kind, frame } in frames {
            let Some(topic_state) = state.topics.get_mut(&topic) else { continue };
            match frame {
                Ok(frame) => {
                    topic_state.add_frame(kind, frame, now);
                    topics.push(topic);
                }
                Err(error) => {
                    tracing::debug!(%topic, ?error, "cannot build a frame; trying again");
                    topic_state.restart(&topic);
                }
            }
        }
        state.published = position;
        drop(state);
        self.wake(&topics);
    }

    /// Publishes a snapshot that took long to encode. Its position may be less than that of other topics'
    /// frames; this topic has no later ones.
    pub(super) fn publish_snapshot(&self, snapshot: NewFrame) {
        let NewFrame { topic, kind, frame: Ok(frame) } = snapshot else { return };
        if let Some(topic_state) = self.write().topics.get_mut(&topic) {
            topic_state.add_frame(kind, frame, Instant::now());
        }
        self.wake(&[topic]);
    }

    /// Wakes the subscribers of `topics`. They read immediately, so the caller must hold no write lock.
    fn wake(&self, topics: &[Topic]) {
        let state = self.read();
        for topic_state in topics.iter().filter_map(|topic| state.topics.get(topic)) {
            topic_state.subscribers.values().for_each(|wake| wake.notify_one());
        }
    }

    /// Removes topics that have had no subscribers for a minute.
    pub(super) fn remove_idle_topics(&self) {
        let now = Instant::now();
        let is_active = |topic_state: &TopicState| {
            !topic_state.subscribers.is_empty()
                || now < topic_state.last_left + IDLE_TOPIC_RETENTION
        };
        self.write().topics.retain(|_, topic_state| is_active(topic_state));
    }

    /// Ends the streams of all projects.
    pub(super) fn end_all_projects(&self) {
        let mut state = self.write();
        let removed = state.topics.extract_if(|topic, _| topic.has_all_projects());
        let removed: Vec<_> = removed.map(|(_, topic_state)| topic_state).collect();
        drop(state);
        let wakes = removed.iter().flat_map(|topic_state| topic_state.subscribers.values());
        wakes.for_each(|wake| wake.notify_one());
    }

    /// Ends all streams, and rejects new ones from now on.
    pub(in crate::serve) fn close(&self) {
        let mut state = self.write();
        state.is_closed = true;
        let wakes = state.topics.values().flat_map(|topic_state| topic_state.subscribers.values());
        wakes.for_each(|wake| wake.notify_one());
    }
}

impl BrokerState {
    /// Whether `owner` can make these topics active within the limit, and within its share.
    fn has_room(&self, owner: Client, topics: &[Topic]) -> bool {
        let new = topics.iter().filter(|topic| !self.topics.contains_key(*topic)).count();
        let free = ACTIVE_TOPICS_MAX.saturating_sub(self.topics.len());
        // No client can have more than are active, so it is only counted when most are.
        let owned =
            || self.topics.values().filter(|topic_state| topic_state.owner == owner).count();
        new == 0 || self.topics.len() + new <= free || owned() + new <= free
    }
}

fn unavailable(code: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(1)
}
