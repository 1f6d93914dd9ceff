//! What hub and clients share: the topics that are followed, their frames, and who waits for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use hashbrown::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;
use velodrome_dataflows::EventTime;

use super::channel::{Channel, TopicState};
use super::ring::Frame;
use super::tick::Place;
use super::topic::Topic;
use crate::serve::error::ApiError;

/// How many topics are followed at a time, at most: as many as there are connections, by default.
const TOPICS_MAX: usize = 10_000;
/// How long a topic that nobody follows any more is kept for those who come back.
const KEEP_IDLE: Duration = Duration::from_secs(60);

/// All topics that are followed.
pub(in crate::serve) struct Channels {
    state: RwLock<State>,
    /// TopicState when a snapshot is snapshot_request.
    pub(super) snapshot_request: Notify,
    /// Another one in each run of the service.
    epoch: String,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) channels: HashMap<Topic, Channel>,
    /// The position of the last frame of any topic.
    pub(super) published: EventTime,
    /// Clients that follow something.
    streams: usize,
    /// Clients so far.
    came: u64,
    is_closed: bool,
}

/// A frame, or why there is none.
pub(super) type FrameResult = Result<Frame, ApiError>;

/// What a client is sent next.
pub(super) enum Next {
    /// Nothing yet; it is woken when that changes.
    Nothing,
    /// In this order.
    Chunks {
        /// What brings it up to what is published now.
        chunks: Vec<Bytes>,
        /// How many topics began with a snapshot as their frames did not reach back to the client.
        snapshots: u64,
    },
    /// The service ends.
    End,
}

impl Channels {
    /// No topics; ids of frames begin with `epoch`.
    pub(in crate::serve) fn new(epoch: u64) -> Self {
        let (state, snapshot_request) = (RwLock::default(), Notify::new());
        Self { state, snapshot_request, epoch: format!("{epoch:x}-") }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many clients follow something.
    pub(in crate::serve) fn streams(&self) -> usize {
        self.read().streams
    }

    /// What a client that comes back says to go on behind a frame of that position.
    pub(super) fn id(&self, position: EventTime) -> String {
        format!("{}{position}", self.epoch)
    }

    /// The position that a client has come to which says that it got `id`, where that was in this run.
    pub(super) fn position(&self, id: &str) -> Option<EventTime> {
        let position = id.strip_prefix(&self.epoch)?.parse().ok()?;
        (position <= self.read().published).then_some(position)
    }

    /// Lets a client follow `topics`; it is woken by `wake` when there is news. Its number.
    ///
    /// # Errors
    /// 503 `stopping`, or `too_many_topics` where others follow too many.
    pub(super) fn enter(&self, topics: &[Topic], wake: &Arc<Notify>) -> Result<u64, ApiError> {
        let mut state = self.write();
        let unavailable = |code, message: &str| {
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(1))
        };
        if state.is_closed {
            return unavailable("stopping", "the service is stopping");
        }
        let new = topics.iter().filter(|topic| !state.channels.contains_key(*topic)).count();
        if state.channels.len() + new > TOPICS_MAX {
            state.channels.retain(|_, channel| !channel.subscribers.is_empty());
        }
        let new = topics.iter().filter(|topic| !state.channels.contains_key(*topic)).count();
        if state.channels.len() + new > TOPICS_MAX {
            let message = "as many topics are followed as can be; try again in a moment";
            return unavailable("too_many_topics", message);
        }
        let (client, published) = (state.came, state.published);
        for topic in topics {
            let channel = || Channel::new(topic, published);
            let channel = state.channels.entry(topic.clone()).or_insert_with(channel);
            channel.subscribers.insert(client, Arc::clone(wake));
        }
        state.came += 1;
        state.streams += 1;
        metrics::gauge!("velodrome_streams").set(state.streams as f64);
        Ok(client)
    }

    /// A client that entered is gone.
    pub(super) fn leave(&self, topics: &[Topic], client: u64) {
        let mut state = self.write();
        for topic in topics {
            if let Some(channel) = state.channels.get_mut(topic) {
                channel.subscribers.remove(&client);
                channel.left = Instant::now();
            }
        }
        state.streams -= 1;
        metrics::gauge!("velodrome_streams").set(state.streams as f64);
    }

    /// What comes after `position` of all of `topics`, which moves on to what is published; with a
    /// snapshot first of topics that do not reach back to it, or of all where there is none. Only the
    /// last chunk has an id: whoever got that got all before.
    pub(super) fn next(&self, topics: &[Topic], position: &mut Option<EventTime>) -> Next {
        let (state, now) = (self.read(), Instant::now());
        if state.is_closed {
            return Next::End;
        }
        let (mut frames, mut snapshots, mut is_missing) = (Vec::<&Frame>::new(), 0, false);
        for channel in topics.iter().filter_map(|topic| state.channels.get(topic)) {
            if let Some(after) = position.and_then(|position| channel.ring.after(position)) {
                frames.extend(after);
            } else if let Some(snapshot) = channel.ring.snapshot(now) {
                frames.extend(snapshot);
                snapshots += 1;
            } else {
                channel.snapshot_requested.store(true, Ordering::Release);
                is_missing = true;
            }
        }
        if is_missing {
            self.snapshot_request.notify_one();
            return Next::Nothing;
        }
        *position = Some(state.published);
        frames.sort_by_key(|frame| frame.position);
        let Some((last, others)) = frames.split_last() else { return Next::Nothing };
        let others = others.iter().map(|frame| frame.without_id());
        Next::Chunks { chunks: others.chain([last.with_id()]).collect(), snapshots }
    }

    /// Publishes frames of one position, greater than any before, and wakes who waits for them. A topic
    /// whose frame could not be made is told anew as a whole.
    pub(super) fn publish(&self, position: EventTime, frames: Vec<(Topic, Place, FrameResult)>) {
        let (mut state, now) = (self.write(), Instant::now());
        let mut topics = Vec::with_capacity(frames.len());
        for (topic, place, frame) in frames {
            let Some(channel) = state.channels.get_mut(&topic) else { continue };
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    tracing::debug!(%topic, ?error, "a frame could not be made; trying again");
                    channel.state = Mutex::new(TopicState::new(&topic));
                    continue;
                }
            };
            match place {
                Place::Begin => channel.ring.begin(frame, now),
                Place::Push => channel.ring.push(frame),
                Place::Refresh => channel.ring.refresh(frame, now),
            }
            if place != Place::Push {
                channel.snapshot_requested = AtomicBool::new(false);
            }
            topics.push(topic);
        }
        state.published = position;
        drop(state);
        // Who is woken reads at once.
        let state = self.read();
        for channel in topics.iter().filter_map(|topic| state.channels.get(topic)) {
            channel.subscribers.values().for_each(|wake| wake.notify_one());
        }
    }

    /// Forgets topics that nobody has followed for a while.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let is_kept =
            |channel: &Channel| !channel.subscribers.is_empty() || now < channel.left + KEEP_IDLE;
        self.write().channels.retain(|_, channel| is_kept(channel));
    }

    /// Ends all streams; no more begin.
    pub(super) fn close(&self) {
        let mut state = self.write();
        state.is_closed = true;
        let wakes = state.channels.values().flat_map(|channel| channel.subscribers.values());
        wakes.for_each(|wake| wake.notify_one());
    }
}
