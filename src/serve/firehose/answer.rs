//! What Firehose is answered: `{"requestId", "timestamp", "errorMessage"}`, whatever became of its delivery.

use axum::Json;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::log::Clock;
use crate::serve::error::ApiError;

/// The path of deliveries.
pub(super) const PATH: &str = "/firehose/delivery";

/// The header with a delivery's id.
pub(super) const REQUEST_ID: &str = "x-amz-firehose-request-id";

/// The longest id that is one: four times a UUID's text.
pub(super) const REQUEST_ID_BYTES_MAX: usize = 144;

/// The body of every answer to a delivery.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct DeliveryReply {
    /// The delivery's; empty where it had none.
    request_id: String,
    /// When it was answered, in ms since the epoch.
    timestamp: u64,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// How deliveries may fail.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes what `shaped` answers")]
pub(super) enum Refusals {
    /// A header or the body is not what Firehose sends
    #[response(status = 400)]
    Bad(DeliveryReply),
    /// No access key and no token, or one that is not valid
    #[response(status = 401)]
    Unauthorized(DeliveryReply),
    /// The token does not have the scope
    #[response(status = 403)]
    Forbidden(DeliveryReply),
    /// The body did not come in time
    #[response(status = 408)]
    Timeout(DeliveryReply),
    /// More than 64 MiB or 10,000 records
    #[response(status = 413)]
    TooLarge(DeliveryReply),
    /// No JSON, or compressed otherwise
    #[response(status = 415)]
    Unsupported(DeliveryReply),
    /// This client sends too much; the header Retry-After tells when to go on
    #[response(status = 429)]
    TooMany(DeliveryReply),
    /// An error of the service, which its log tells of
    #[response(status = 500)]
    Internal(DeliveryReply),
    /// Not now; the header Retry-After tells when
    #[response(status = 503)]
    Unavailable(DeliveryReply),
    /// The disk is full
    #[response(status = 507)]
    DiskFull(DeliveryReply),
}

impl DeliveryReply {
    /// The reply to the delivery of an id, and why it was not taken, where it was not.
    pub(super) fn new(request_id: String, error_message: Option<String>) -> Self {
        // When that was by the wall: who sent it knows no other clock.
        Self { request_id, timestamp: Clock::system().now(), error_message }
    }
}

/// Answers deliveries in their shape, also what is refused before their handler runs.
pub(in crate::serve) async fn shaped(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    if path.is_none_or(|path| path.as_str() != PATH) {
        return next.run(request).await;
    }
    let id = request_id(request.headers()).unwrap_or_default().to_owned();
    let (mut parts, body) = next.run(request).await.into_parts();
    let Some(error) = parts.extensions.remove::<ApiError>() else {
        return Response::from_parts(parts, body);
    };
    let reply = DeliveryReply::new(id, Some(error.message().to_owned()));
    // The headers stay, but for those of the body that was.
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Json(reply).into_response().into_body())
}

/// The id of a delivery, where it has one that is text and no longer than it may be.
pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()).then_some(id)
}
