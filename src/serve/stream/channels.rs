//! State shared by the hub and the clients: followed topics, their frames, and the waiting clients.

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

/// Maximum number of topics followed at a time; equal to the default maximum number of connections.
const TOPICS_MAX: usize = 10_000;
/// How long a topic without clients is retained for clients that reconnect.
const KEEP_IDLE: Duration = Duration::from_secs(60);

/// All followed topics.
pub(in crate::serve) struct Channels {
    state: RwLock<State>,
    /// Notified when a client requests a snapshot.
    pub(super) snapshot_request: Notify,
    /// Prefix of all frame ids; different in each run of the service.
    epoch: String,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) channels: HashMap<Topic, Channel>,
    /// The position of the last frame of any topic.
    pub(super) published: EventTime,
    /// Number of connected clients.
    streams: usize,
    /// Number of clients since startup; the next client's id.
    came: u64,
    is_closed: bool,
}

/// A frame, or the reason why it could not be built.
pub(super) type FrameResult = Result<Frame, ApiError>;

/// What to send to a client next.
pub(super) enum Next {
    /// Nothing yet; the client is woken when that changes.
    Nothing,
    /// Frames, in the order to send them.
    Chunks {
        /// All frames up to the last published position.
        chunks: Vec<Bytes>,
        /// Number of topics that begin with a snapshot because their ring no longer reaches back to the
        /// client's position.
        snapshots: u64,
    },
    /// The service is stopping.
    End,
}

impl Channels {
    /// Creates channels without topics; frame ids begin with `epoch`.
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

    /// Returns the number of connected clients.
    pub(in crate::serve) fn streams(&self) -> usize {
        self.read().streams
    }

    /// Returns the frame id with which a reconnecting client resumes after `position`.
    pub(super) fn id(&self, position: EventTime) -> String {
        format!("{}{position}", self.epoch)
    }

    /// Returns the position of the frame `id`, or `None` if it is not from this run of the service.
    pub(super) fn position(&self, id: &str) -> Option<EventTime> {
        let position = id.strip_prefix(&self.epoch)?.parse().ok()?;
        (position <= self.read().published).then_some(position)
    }

    /// Subscribes a client to `topics` and returns its id. `wake` is notified of new frames.
    ///
    /// # Errors
    /// 503 `stopping`, or `too_many_topics` if all clients together follow too many.
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

    /// Unsubscribes a client that [`Channels::enter`] subscribed.
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

    /// Returns the frames of `topics` after `position` and advances `position` to the last published one.
    ///
    /// A topic begins with a snapshot if `position` is `None` or its ring does not reach back that far.
    /// Only the last chunk has an id: a client that received it has received all others.
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

    /// Publishes frames at `position` and wakes the clients that wait for them. `position` must be greater
    /// than all previous ones. A topic whose frame could not be built restarts with a snapshot.
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
        // Woken clients read immediately, so the write lock is released first.
        let state = self.read();
        for channel in topics.iter().filter_map(|topic| state.channels.get(topic)) {
            channel.subscribers.values().for_each(|wake| wake.notify_one());
        }
    }

    /// Removes topics that have had no clients for [`KEEP_IDLE`].
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let is_kept =
            |channel: &Channel| !channel.subscribers.is_empty() || now < channel.left + KEEP_IDLE;
        self.write().channels.retain(|_, channel| is_kept(channel));
    }

    /// Ends all streams and refuses new ones.
    pub(super) fn close(&self) {
        let mut state = self.write();
        state.is_closed = true;
        let wakes = state.channels.values().flat_map(|channel| channel.subscribers.values());
        wakes.for_each(|wake| wake.notify_one());
    }
}
