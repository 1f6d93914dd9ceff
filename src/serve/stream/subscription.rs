//! One client: its position, and what to send to it next.

use std::sync::Arc;
use std::time::Duration;
use std::vec;

use bytes::Bytes;
use metrics::{Counter, counter};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use velodrome_dataflows::EventTime;

use super::channels::{Channels, Next};
use super::topic::Topic;
use crate::serve::error::ApiError;

/// The text that a client is sent in addition to frames.
struct Phrases {
    /// Sent at once, so that the client knows that the stream is open.
    greeting: Option<&'static str>,
    /// Sent when the stream is idle, so that proxies do not close the connection.
    idle: &'static str,
    /// Sent when the token expires.
    expired: Option<&'static str>,
}

/// Clients reconnect one second after they lose the connection.
const NATIVE: Phrases =
    Phrases { greeting: Some("retry: 1000\n\n"), idle: ": \n\n", expired: None };
/// Firebase's first event is a `put` (CONTRACTS, section 5).
const FIREBASE: Phrases = Phrases {
    greeting: None,
    idle: "event: keep-alive\ndata: null\n\n",
    expired: Some("event: auth_revoked\ndata: \"Auth token is expired\"\n\n"),
};
/// Maximum idle time of a connection, as the standard advises (HTML, 9.2.7 "Authoring notes").
const IDLE_MAX: Duration = Duration::from_secs(15);

/// A client that follows topics.
pub(super) struct Subscription {
    channels: Arc<Channels>,
    topics: Vec<Topic>,
    client: u64,
    wake: Arc<Notify>,
    phrases: &'static Phrases,
    /// All frames up to this position are sent or in `ready`.
    position: Option<EventTime>,
    ready: vec::IntoIter<Bytes>,
    /// Reason for the next snapshot; a label of the metric.
    reason: &'static str,
    /// When the client's token expires.
    expires: Option<Instant>,
    /// Whether the token has expired.
    is_over: bool,
    idle_until: Instant,
    frames: Counter,
    bytes: Counter,
}

impl Subscription {
    /// Follows `topics` until `expires`. It resumes after the frame with id `last` if one is given and the
    /// rings still reach back to it; otherwise each topic begins with a snapshot.
    ///
    /// # Errors
    /// 503 `stopping`, or `too_many_topics` if all clients together follow too many.
    pub(super) fn new(
        channels: Arc<Channels>,
        topics: Vec<Topic>,
        last: Option<&str>,
        expires: Option<Instant>,
    ) -> Result<Self, ApiError> {
        let wake = Arc::new(Notify::new());
        let client = channels.enter(&topics, &wake)?;
        let phrases = if topics.iter().all(Topic::has_ids) { &NATIVE } else { &FIREBASE };
        Ok(Self {
            position: last.and_then(|last| channels.position(last)),
            channels,
            topics,
            client,
            wake,
            ready: chunks(phrases.greeting),
            phrases,
            reason: if last.is_some() { "resumed_late" } else { "new" },
            expires,
            is_over: false,
            idle_until: Instant::now(),
            frames: counter!("velodrome_stream_frames_total"),
            bytes: counter!("velodrome_stream_bytes_total"),
        })
    }

    /// Waits for the next chunk to send; `None` once the stream ends.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.expires.is_some_and(|expires| expires <= Instant::now()) && !self.is_over {
                self.is_over = true;
                self.ready = chunks(self.phrases.expired);
            }
            if let Some(chunk) = self.ready.next() {
                self.bytes.increment(chunk.len() as u64);
                self.idle_until = Instant::now() + IDLE_MAX;
                return Some(chunk);
            }
            if self.is_over {
                return None;
            }
            match self.channels.next(&self.topics, &mut self.position) {
                Next::Chunks { chunks, snapshots } => {
                    self.frames.increment(chunks.len() as u64);
                    let reason = std::mem::replace(&mut self.reason, "slow");
                    if snapshots > 0 {
                        let count =
                            counter!("velodrome_stream_snapshots_total", "reason" => reason);
                        count.increment(snapshots);
                    }
                    self.ready = chunks.into_iter();
                    continue;
                }
                Next::Nothing => {}
                Next::End => return None,
            }
            let until = self.expires.map_or(self.idle_until, |end| end.min(self.idle_until));
            if timeout_at(until, self.wake.notified()).await.is_err() && until == self.idle_until {
                self.ready = chunks(Some(self.phrases.idle));
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
        self.channels.leave(&self.topics, self.client);
    }
}
