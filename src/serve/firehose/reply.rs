//! The reply to a delivery: `{"requestId", "timestamp", "errorMessage"}`, also for errors.

use axum::Json;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::log::Clock;
use crate::serve::error::ApiError;

/// The path that deliveries are posted to.
pub(super) const PATH: &str = "/firehose/delivery";

/// The header with the delivery's id.
pub(super) const REQUEST_ID: &str = "x-amz-firehose-request-id";

/// The maximum length of an id: four times the text of a UUID.
pub(super) const REQUEST_ID_BYTES_MAX: usize = 144;

/// The body of each response to a delivery.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct DeliveryReply {
    /// The delivery's id; empty if it has none.
    request_id: String,
    /// The time of the response, in ms since the epoch.
    timestamp: u64,
    /// Why the delivery was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// The error responses to a delivery.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "the OpenAPI schema of what `format_errors` returns")]
pub(super) enum DeliveryErrors {
    /// A header or the body is not as Firehose sends it
    #[response(status = 400)]
    Bad(DeliveryReply),
    /// The access key or token is missing or invalid
    #[response(status = 401)]
    Unauthorized(DeliveryReply),
    /// The token does not have the scope `ingest`
    #[response(status = 403)]
    Forbidden(DeliveryReply),
    /// The body did not arrive in time
    #[response(status = 408)]
    Timeout(DeliveryReply),
    /// More than 64 MiB or 10,000 records
    #[response(status = 413)]
    TooLarge(DeliveryReply),
    /// The body is not JSON, or its encoding is not supported
    #[response(status = 415)]
    Unsupported(DeliveryReply),
    /// The client exceeds its rate limit; the header Retry-After says when to retry
    #[response(status = 429)]
    TooMany(DeliveryReply),
    /// An internal error; see the service's log
    #[response(status = 500)]
    Internal(DeliveryReply),
    /// The service is unavailable; the header Retry-After says when to retry
    #[response(status = 503)]
    Unavailable(DeliveryReply),
    /// The disk is full
    #[response(status = 507)]
    DiskFull(DeliveryReply),
}

impl DeliveryReply {
    /// The reply to the delivery `request_id`, with the reason if it was rejected.
    pub(super) fn new(request_id: String, error_message: Option<String>) -> Self {
        // Wall time, because the sender knows no other clock.
        Self { request_id, timestamp: Clock::system().now(), error_message }
    }
}

/// Middleware that converts errors of deliveries to [`DeliveryReply`], including errors of the layers
/// around the handler.
pub(in crate::serve) async fn format_errors(request: Request, next: Next) -> Response {
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
    // All headers stay, except for the length of the previous body.
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Json(reply).into_response().into_body())
}

/// The id of a delivery; none if it is missing, not text, or too long.
pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()).then_some(id)
}
