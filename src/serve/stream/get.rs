//! The handler of `GET /v1/stream`.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::streams::Streams;
use super::topic::Topic;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::QueryParams;
use crate::serve::permissions::Permissions;

/// The path of streams.
pub(in crate::serve) const PATH: &str = "/v1/stream";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct StreamParams {
    /// 1 to 16 topics, separated by commas: `standings:1`, `board:1`, `views:PROJECT`, `views:*`,
    /// `races`, `races:1`, `stats`. In a project id, write a comma as `%2C` and a percent sign as `%25`.
    /// The project `*` is `views:%2A`.
    #[param(example = "standings:1,races:1")]
    topics: String,
    /// The same as the header `Last-Event-ID`, for clients that cannot set it. The header takes
    /// precedence.
    last_event_id: Option<String>,
}

/// Streams changes as server-sent events. The stream has no end.
///
/// `event: snapshot` contains the complete state of a topic. `event: delta` contains the rows that
/// changed since the topic's previous frame, each row complete, and in `gone` the keys of removed rows.
/// `data` is a JSON object on one line. Its `topic` names the topic, and `asOf` is the exact time of the
/// event clock that the state belongs to.
///
/// * `standings:1`: `classId`, `raceId` and `startedAt` of the running race or null, `racers` (a count),
///   `rows` of `racerId`, `name`, `output`, `second`, and in `gone` the racers that no longer ride. Rank
///   the rows by output descending, then by racer ascending. A new race starts with a snapshot.
/// * `board:1`: `classId`, `raceId` and `second` of the running race or null, `racers` (a count), and
///   the first 100 `rows` of the board at that second. Snapshots only.
/// * `views:PROJECT`, `views:*`: `rows` of `projectId`, `views`, `durationMs`.
/// * `races`, `races:1`: `rows` as in the list of races, and in `gone` the `classId` and `raceId` of
///   removed races. A snapshot has the newest 100 races.
/// * `stats`, once a second: `eventsPerSecond`; `ackP50Ms` and `ackP99Ms` (latencies of requests with
///   events that were acknowledged in the last second, null if there were none); `lagMs`; `streams`;
///   `residentBytes`; `workers`; `processes`; `rulesId` (of the active rules); `rebuild` (the state of a
///   switch to new rules as in `/v1/rules`, without the rules; null if there is none). Snapshots only.
///
/// A node of a cluster sends `event: status` when its results stop being updated, and when they are updated
/// again. `stale` is the reason or null, and `asOf` the time of the results. It has no topic.
///
/// A token that is limited to some classes and projects permits only topics that name one of them.
///
/// A client that reconnects with the `id` of its last frame as `Last-Event-ID` gets the frames after it.
/// If the service no longer has them, has restarted, or the id is of other topics, the client gets snapshots.
///
/// A stream that cannot open now has the status 200 too, because `EventSource` never reconnects after any other. While the
/// service starts, the stream is open and sends its first frame when there are results; until then its header
/// `stale` states the reason. When there are too many requests, streams, topics or bytes in memory, the stream has
/// the header `Retry-After`, sends `retry` and ends.
#[utoipa::path(
    get,
    path = PATH,
    params(
        StreamParams,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last frame received."),
    ),
    responses(
        (status = OK, body = String, content_type = "text/event-stream", description = "The frames."),
        (status = FORBIDDEN, body = ErrorBody, description = "The token does not permit one of the topics."),
        (status = PAYLOAD_TOO_LARGE, body = ErrorBody, description = "There are too many projects for one stream."),
    )
)]
pub(super) async fn stream(
    State(streams): State<Streams>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    permissions: Permissions,
    headers: HeaderMap,
    QueryParams(params): QueryParams<StreamParams>,
) -> Result<Response, ApiError> {
    let topics = Topic::parse_list(&params.topics)?;
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last_id = last_id.or(params.last_event_id.as_deref());
    streams.open(peer.ip(), &permissions, topics, last_id)
}
