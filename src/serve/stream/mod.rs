//! `GET /v1/stream`: topics of live state as server-sent events.
//!
//! ```text
//! engine ──► hub ──► channels: a ring of frames per topic ──► subscriptions ──► clients
//! ```
//!
//! The hub builds each frame once; all clients of the topic share its bytes. A client has a position in
//! the rings instead of a queue. A slow or reconnecting client reads the frames after its position, or a
//! snapshot if the ring has already dropped some of them. A stalled client therefore needs no memory and
//! delays no other client. The snapshots and deltas that a client has applied add up to the live state
//! at the time of the last frame.

mod channel;
mod channels;
mod draft;
mod hub;
mod ring;
mod source;
mod standings;
mod subscription;
#[cfg(test)]
mod tests;
mod tick;
mod topic;

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;

use super::error::{ApiError, ErrorBody};
use super::limiter::Limiter;
use super::params::QueryParams;
use super::permissions::Permissions;
pub(super) use channels::Channels;
pub(super) use hub::Hub;
use subscription::Subscription;
pub(super) use topic::Topic;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct StreamParams {
    /// 1 to 16 topics, with commas between them: `standings:1`, `board:1`, `views:PROJECT`, `views:*`,
    /// `races`, `races:1`, `stats`. In a topic `%` begins an escape of two hexadecimal digits, for a
    /// project whose id has a comma (`%2C`) or is `*` (`%2A`).
    #[param(example = "standings:1,races:1")]
    topics: String,
    /// Replaces the header `Last-Event-ID` for clients that cannot set headers; the header takes precedence.
    last_event_id: Option<String>,
}

/// Streams changes of the live state as server-sent events. The stream has no end.
///
/// `event: snapshot` carries the complete state of a topic. `event: delta` carries the complete rows that
/// changed since the topic's previous frame, and under `gone` the rows that were removed. `data` is a JSON
/// object in one line: `topic` is the topic's name, and `asOf` is the exact time of the state on the event
/// clock.
///
/// * `standings:1`: `classId`, `raceId` and `startedAt` of the running race or null, `racers`, `rows` of
///   `racerId`, `name`, `output`, `second`; `gone`, racers that no longer ride. Rows rank by output
///   descending, then by racer ascending. A new race begins with a snapshot.
/// * `board:1`: `classId`, `raceId` and `second` of the running race or null, `racers`, the first 100
///   `rows` of the board at that second; snapshots only.
/// * `views:PROJECT`, `views:*`: `rows` of `projectId`, `views`, `durationMs`.
/// * `races`, `races:1`: `rows` as in the list of races; a snapshot has the newest 100. `gone`: removed
///   races by `classId` and `raceId`.
/// * `stats`, once a second: `eventsPerSecond`, `ackP50Ms` and `ackP99Ms` (wait of the requests with events
///   that were acknowledged in the last second; null if there were none), `lagMs`, `streams`,
///   `residentBytes`, `workers`, `processes`, `rulesId` (of the active rules), `rebuild` (progress of the
///   switch to new rules as in `/v1/rules`, without the rules; null if none is running). It requires a token
///   for all classes and projects.
///
/// A client that reconnects with the `id` of its last frame as `Last-Event-ID` gets the frames after it. It
/// gets snapshots instead if those frames are no longer available or the service has restarted.
#[utoipa::path(
    get,
    path = "/v1/stream",
    tag = "stream",
    params(
        StreamParams,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last frame that came."),
    ),
    responses(
        (status = OK, body = String, content_type = "text/event-stream", description = "The frames."),
        (status = FORBIDDEN, body = ErrorBody, description = "The token is not for one of the topics."),
        (status = TOO_MANY_REQUESTS, body = ErrorBody, description = "This client asks too often, or has as many streams as it may."),
    )
)]
pub(super) async fn stream(
    State(streams): State<Streams>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    permissions: Permissions,
    headers: HeaderMap,
    QueryParams(params): QueryParams<StreamParams>,
) -> Result<Response, ApiError> {
    let topics = Topic::list(&params.topics)?;
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    let last = last.or(params.last_event_id.as_deref());
    streams.open(peer.ip(), &permissions, topics, last)
}

/// The shared state that handlers need to open a stream.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) channels: Arc<Channels>,
    pub(super) limiter: Arc<Limiter>,
}

impl Streams {
    /// Returns a response that streams `topics` to a client at `peer`, resuming after the frame with id
    /// `last`.
    ///
    /// # Errors
    /// 403 if `permissions` do not cover a topic, 429 if the client has too many streams, 503 if too many
    /// topics are followed or the service is stopping.
    pub(super) fn open(
        &self,
        peer: IpAddr,
        permissions: &Permissions,
        topics: Vec<Topic>,
        last: Option<&str>,
    ) -> Result<Response, ApiError> {
        topics.iter().try_for_each(|topic| topic.check(permissions))?;
        let counted = self.limiter.acquire_stream(peer)?;
        let channels = Arc::clone(&self.channels);
        let subscription = Subscription::new(channels, topics, last, permissions.expires())?;
        let frames = unfold((subscription, counted), async |(mut subscription, counted)| {
            let chunk = subscription.next().await?;
            Some((Ok::<_, Infallible>(chunk), (subscription, counted)))
        });
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            // Otherwise nginx buffers frames.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        Ok((headers, Body::from_stream(frames)).into_response())
    }
}

/// Runs `hub`, which publishes frames to `channels`, until `stop` is true or its sender is dropped. Then
/// it ends all streams.
pub(super) async fn run<L: Fn() -> Duration>(
    hub: Hub<L>,
    channels: Arc<Channels>,
    mut stop: watch::Receiver<bool>,
) {
    tokio::select! {
        () = hub.run() => {}
        _ = stop.wait_for(|is_stopping| *is_stopping) => {}
    }
    channels.close();
}

/// Returns a random number that distinguishes the frame ids of this run from those of other runs.
pub(super) fn epoch() -> u64 {
    // `RandomState` takes its keys from the operating system's randomness.
    RandomState::new().hash_one(0)
}
