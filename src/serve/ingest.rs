//! `POST /v1/events`: appends events to the log. Once they are durable, it returns their number, and a
//! verdict for each rejected event.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::counter;
use serde::Serialize;
use tokio::task::spawn_blocking;
use tracing::error;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::answers::AnswerBody;
use super::append::{AppendedBatch, append};
use super::batch::{Batch, Rejected};
use super::blocking::{process_body, task_failed};
use super::body::{self, BODY_BYTES_MAX, BodyBuffer, BodyFormat};
use super::error::{ApiError, ErrorBody};
use super::params::{NoParams, QueryParams};
use super::permissions::Permissions;
use super::state::App;
use super::visibility::VisibilityToken;
use crate::dead_letters::{DeadLetter, Source};

/// The verdicts of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reply {
    /// The number of events that were accepted. They are durable.
    accepted: usize,
    /// The events that were rejected, in the order of the body.
    rejected: Vec<Verdict>,
    /// A read that sends this token as `after` includes the accepted events.
    token: String,
}

/// Why an event was rejected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verdict {
    /// The position of the event in the body, from 0. Blank lines do not count.
    index: usize,
    /// The reason.
    error: String,
}

/// Send events
///
/// The body is one JSON object, an array of objects, or one object per line. As `text/plain` it is any of
/// them, because `navigator.sendBeacon` sends text. It has at most 8 MiB, both as sent and decompressed. An event that is invalid, or whose class or project the token does not
/// include, is rejected with a verdict of its own; the other events are accepted.
#[utoipa::path(
    post,
    path = "/v1/events",
    request_body(
        description = "Race events and tracking events. `Content-Encoding: gzip` is supported.",
        content((EventsBody = "application/json"), (String = "application/x-ndjson"), (String = "text/plain"))
    ),
    responses(
        (status = 200, description = "The accepted events are durable.", body = Reply),
        (status = 400, description = "The body cannot be parsed.", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time.", body = ErrorBody),
        (status = 413, description = "The body has more than 8 MiB, or more events than a client may send in a second.", body = ErrorBody),
        (status = 415, description = "The content type or encoding is not supported.", body = ErrorBody),
        (status = 507, description = "The disk is full.", body = ErrorBody),
    )
)]
pub(super) async fn post_events(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    permissions: Permissions,
    QueryParams(NoParams {}): QueryParams<NoParams>,
    request: Request,
) -> Result<Response, ApiError> {
    let received = Instant::now();
    let format = BodyFormat::of(request.headers())?;
    app.check_lag()?;
    let limiter = app.limiter();
    let slot = limiter.acquire_request(peer.ip())?;
    let buffer = limiter.body_buffer(permissions.client(peer.ip()), BODY_BYTES_MAX);
    let body = body::read(request.into_body(), buffer, app.limits().body_timeout).await?;
    let race_seconds = app.race_seconds();
    let events_max = app.limits().client_events_per_second;
    let decode = move |body: BodyBuffer| {
        let batch =
            Batch::decode(body.bytes(), format.syntax, permissions, race_seconds, events_max)?;
        Ok((batch, body))
    };
    let (batch, mut body) = process_body(format, body, decode).await?;
    let verdict_bytes = Rejected::verdict_bytes(&batch.rejected);
    body.reserve(verdict_bytes)?;
    limiter.check_events(peer.ip(), batch.count())?;

    let AppendedBatch { arrival_ms, accepted, rejected } = append(&app, batch).await?;
    let token = match arrival_ms {
        None => VisibilityToken::at(app.engine().complete()),
        Some(arrival_ms) => {
            app.ack_latency().record(received.elapsed());
            VisibilityToken::of_arrival(arrival_ms)
        }
    };
    // The log may have rejected further events. If there is no memory for their verdicts, the client
    // sends all events again, which changes nothing for the accepted ones.
    body.reserve(Rejected::verdict_bytes(&rejected).saturating_sub(verdict_bytes))?;
    let rejected = dead_letter(&app, peer, rejected).await?;

    let reply = Reply { accepted, rejected, token: token.to_string() };
    let json = serde_json::to_vec(&reply).map_err(|error| {
        error!(%error, "cannot serialize a reply");
        ApiError::internal()
    })?;
    let body = AnswerBody::wrap(json, (slot, body));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Adds the rejected events to the dead letters, and returns their verdicts.
async fn dead_letter(
    app: &App,
    peer: SocketAddr,
    rejected: Vec<Rejected>,
) -> Result<Vec<Verdict>, ApiError> {
    if rejected.is_empty() {
        return Ok(Vec::new());
    }
    counter!("velodrome_events_total", "verdict" => "rejected").increment(rejected.len() as u64);
    let app = app.clone();
    let verdicts = spawn_blocking(move || {
        app.dead_letters().add(rejected.iter().map(|Rejected { index, reason, text }| {
            DeadLetter {
                source: Source::Request { peer, index: *index },
                arrival_ms: None,
                reason,
                data: text,
            }
        }));
        let verdict = |Rejected { index, reason, .. }| Verdict { index, error: reason };
        rejected.into_iter().map(verdict).collect()
    });
    verdicts.await.map_err(task_failed)
}

/// A JSON body: an event, or an array of events. The schema does not describe the fields of an event,
/// because an invalid event is rejected with a verdict, and the request succeeds.
pub(super) struct EventsBody;

impl PartialSchema for EventsBody {
    fn schema() -> RefOr<Schema> {
        let event = ObjectBuilder::new().description(Some("One event."));
        let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        let events = ArrayBuilder::new().items(any).description(Some("Several events."));
        OneOfBuilder::new().item(event).item(events).into()
    }
}

impl ToSchema for EventsBody {}
