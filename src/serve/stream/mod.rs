//! `GET /v1/stream`: what clients follow, as server-sent events.
//!
//! ```text
//! engine ──► hub ──► channels: a ring of frames a topic ──► subscriptions ──► clients
//! ```
//!
//! The hub makes each frame once, as bytes that all clients of its topic share. A client has a position
//! in the rings and no queue: who is slow, or comes back, takes what comes after its position, or a
//! snapshot where the ring has gone on too far. So a client that stalls costs nothing and holds up
//! nobody, and what a client makes of snapshots and deltas is the live state of the last frame's time.

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
    /// The header `Last-Event-ID` for clients that cannot set one; the header goes first.
    last_event_id: Option<String>,
}

/// What changes, as it changes: server-sent events, without an end.
///
/// `event: snapshot` tells the state of a topic as a whole, `event: delta` the rows that changed since
/// the topic's frame before, each as a whole, and under `gone` those that are no more. `data` is a JSON
/// object in one line; its `topic` tells what it is of, and `asOf` is the time of the event clock that
/// the state is of, exactly.
///
/// * `standings:1`: `classId`, `raceId` and `startedAt` of the running race or null, `racers`, `rows` of
///   `racerId`, `name`, `output`, `second`; `gone`, racers that ride no more. They rank by output
///   descending, then by racer ascending. Another race begins with a snapshot.
/// * `board:1`: `classId`, `raceId` and `second` of the running race or null, `racers`, the first 100
///   `rows` of the board at that second; snapshots alone.
/// * `views:PROJECT`, `views:*`: `rows` of `projectId`, `views`, `durationMs`.
/// * `races`, `races:1`: `rows` as in the list of races, of which a snapshot has the newest 100; `gone`,
///   races that are no more, by `classId` and `raceId`.
/// * `stats`: `eventsPerSecond`, `ackP50Ms` and `ackP99Ms` (how long requests with events waited that were
///   acknowledged in the last second; null where none was), `lagMs`, `streams`, `residentBytes`, `workers`,
///   `processes`, `rulesId` (of the rules that hold), `rebuild` (how far the way to other rules is, as `/v1/rules`
///   tells it but for the rules; null where there is none), once a second; for tokens that are for all classes and
///   projects.
///
/// Who comes back with the `id` of the last frame as `Last-Event-ID` gets what came after it, or
/// snapshots where that is too long ago or the service has started anew.
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

/// What streams are opened on.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) channels: Arc<Channels>,
    pub(super) limiter: Arc<Limiter>,
}

impl Streams {
    /// Answers with a stream of `topics` to a client of `peer`, behind the frame of id `last`.
    ///
    /// # Errors
    /// 403 for topics that are not for who holds `permissions`, 429 where the client has too many streams,
    /// 503 where too many topics are followed or the service ends.
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
            // nginx would hold frames back until there are many.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        Ok((headers, Body::from_stream(frames)).into_response())
    }
}

/// Publishes the frames of `hub` to `channels` until `stop` is true or its sender is dropped; then all
/// streams end.
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

/// What tells ids of this run from those of others.
pub(super) fn epoch() -> u64 {
    // The system's randomness, which its keys are made of.
    RandomState::new().hash_one(0)
}
