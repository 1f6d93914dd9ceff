//! One client of a stream: its cursor, and the chunks to send next.

use std::sync::Arc;
use std::time::Duration;
use std::{mem, vec};

use bytes::Bytes;
use metrics::{Counter, counter};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use velodrome_dataflows::EventTime;

use super::broker::{Broker, NextFrames};
use super::event_id::EventIds;
use super::stale_notice::StaleNotice;
use super::topic::Topic;
use crate::serve::client::Client;
use crate::serve::error::ApiError;

/// What a stream sends besides frames.
struct ControlEvents {
    /// Sent first, so that the client knows that the stream is open.
    opening: Option<&'static str>,
    /// Sent when the stream was silent for a while, so that proxies do not close the connection.
    keep_alive: &'static str,
    /// Sent when the client's token expires.
    expired: Option<&'static str>,
}

/// For `GET /v1/stream`. `retry` makes clients reconnect one second after they lose the connection.
const DEFAULT_EVENTS: ControlEvents =
    ControlEvents { opening: Some("retry: 1000\n\n"), keep_alive: ": \n\n", expired: None };
/// For the Firebase endpoints. There is no opening event, because a Firebase client expects `put` first.
const FIREBASE_EVENTS: ControlEvents = ControlEvents {
    opening: None,
    keep_alive: "event: keep-alive\ndata: null\n\n",
    expired: Some("event: auth_revoked\ndata: \"Auth token is expired\"\n\n"),
};
/// The longest silence on a connection, as the standard recommends (HTML, 9.2.7 "Authoring notes").
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// A frame up to this size is copied to follow its id, which costs less than a chunk for the id.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// The stream of one client.
pub(super) struct Subscription {
    broker: Arc<Broker>,
    topics: Vec<Topic>,
    client: u64,
    wake: Arc<Notify>,
    control_events: &'static ControlEvents,
    /// The position up to which all frames are sent or in `queued`. `None` before the first frame.
    cursor: Option<EventTime>,
    /// `None` for Firebase streams, which always start with the complete data.
    ids: Option<EventIds>,
    queued: vec::IntoIter<Bytes>,
    /// The metric label of the next snapshot.
    snapshot_reason: &'static str,
    /// When the client's token expires.
    expires: Option<Instant>,
    has_expired: bool,
    keep_alive_at: Instant,
    notice: StaleNotice,
    frames: Counter,
    bytes: Counter,
}

impl Subscription {
    /// Subscribes to `topics` until `expires`. The stream resumes after the frame with the id `last_id`
    /// if that is possible, and starts with a snapshot of each topic otherwise.
    ///
    /// # Errors
    /// 503 `stopping`, or `too_many_topics` if other clients subscribe to too many.
    pub(super) fn new(
        broker: Arc<Broker>,
        owner: Client,
        topics: Vec<Topic>,
        last_id: Option<&str>,
        expires: Option<Instant>,
        notice: StaleNotice,
    ) -> Result<Self, ApiError> {
        let wake = Arc::new(Notify::new());
        let client = broker.subscribe(owner, &topics, &wake)?;
        let is_default = topics.iter().all(Topic::has_ids);
        let control_events = if is_default { &DEFAULT_EVENTS } else { &FIREBASE_EVENTS };
        let ids = is_default.then(|| EventIds::new(broker.epoch, &topics));
        let published = broker.read().published;
        let cursor = ids.as_ref().zip(last_id).and_then(|(ids, id)| ids.parse(id, published));
        Ok(Self {
            cursor,
            ids,
            broker,
            topics,
            client,
            wake,
            queued: chunks(control_events.opening),
            control_events,
            snapshot_reason: if last_id.is_some() { "resumed_late" } else { "new" },
            expires,
            has_expired: false,
            keep_alive_at: Instant::now() + KEEP_ALIVE_INTERVAL,
            notice,
            frames: counter!("velodrome_stream_frames_total"),
            bytes: counter!("velodrome_stream_bytes_total"),
        })
    }

    /// Waits for the next chunk to send; `None` when the stream ends.
    pub(super) async fn next_chunk(&mut self) -> Option<Bytes> {
        loop {
            if !self.has_expired && self.expires.is_some_and(|at| at <= Instant::now()) {
                self.has_expired = true;
                self.queued = chunks(self.control_events.expired);
            }
            if let Some(chunk) = self.queued.next() {
                self.bytes.increment(chunk.len() as u64);
                self.keep_alive_at = Instant::now() + KEEP_ALIVE_INTERVAL;
                return Some(chunk);
            }
            if self.has_expired {
                return None;
            }
            if let Some(event) = self.notice.take() {
                self.queued = vec![event].into_iter();
                continue;
            }
            match self.broker.next_frames(&self.topics, &mut self.cursor) {
                NextFrames::Ready { frames, position, snapshots } => {
                    self.queue(frames, position, snapshots);
                }
                NextFrames::Pending => self.wait().await,
                NextFrames::Closed => return None,
            }
        }
    }

    /// Queues frames. Only the last frame gets an id, so the id proves that the client has received all of them.
    fn queue(&mut self, mut frames: Vec<Bytes>, position: EventTime, snapshots: u64) {
        self.frames.increment(frames.len() as u64);
        // A client that needs another snapshot later was too slow.
        let reason = mem::replace(&mut self.snapshot_reason, "slow");
        if snapshots > 0 {
            counter!("velodrome_stream_snapshots_total", "reason" => reason).increment(snapshots);
        }
        if let Some(ids) = &self.ids
            && let Some(last) = frames.pop()
        {
            let id = ["id: ", &ids.at(position), "\n"].concat();
            // Clients of other topics share the bytes of the frame.
            if last.len() <= COPIED_BYTES_MAX {
                frames.push([id.as_bytes(), &last].concat().into());
            } else {
                frames.extend([id.into(), last]);
            }
        }
        self.queued = frames.into_iter();
    }

    /// Waits until frames or a status may be available, or queues a keep-alive when it is due.
    async fn wait(&mut self) {
        let until = self.expires.map_or(self.keep_alive_at, |at| at.min(self.keep_alive_at));
        tokio::select! {
            () = self.wake.notified() => {}
            () = self.notice.changed() => {}
            () = sleep_until(until) => {
                if until == self.keep_alive_at {
                    self.queued = chunks(Some(self.control_events.keep_alive));
                }
            }
        }
    }
}

fn chunks(text: Option<&'static str>) -> vec::IntoIter<Bytes> {
    let chunks: Vec<_> = text.into_iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
    chunks.into_iter()
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.broker.unsubscribe(&self.topics, self.client);
    }
}
