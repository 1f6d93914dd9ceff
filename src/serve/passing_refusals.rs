//! Streams that cannot open now, for a reason that passes.
//!
//! `EventSource` reconnects after a stream has ended, and never after a status other than 200. So an error with a
//! `Retry-After`, which a client should repeat, becomes a stream that ends at once. Errors that a client cannot
//! repeat with success, such as an invalid token, keep their status.

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use metrics::counter;

use super::error::ApiError;
use super::{firebase, stream};

/// Middleware that ends streams in place of errors that pass, including errors of the layers around the handlers.
pub(super) async fn end_streams(request: Request, next: Next) -> Response {
    let is_stream = requests_stream(&request);
    let response = next.run(request).await;
    if !is_stream {
        return response;
    }
    let Some(error) = response.extensions().get::<ApiError>() else { return response };
    let Some(seconds) = error.seconds_to_retry() else { return response };
    counter!("velodrome_streams_refused_total", "reason" => error.code()).increment(1);

    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::OK;
    parts.extensions.remove::<ApiError>();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(stream::CONTENT_TYPE));
    // The length of the previous body.
    parts.headers.remove(header::CONTENT_LENGTH);
    // Without a blank line, which would end an event: firebase-admin expects data in each.
    Response::from_parts(parts, Body::from(format!("retry: {}\n", seconds.saturating_mul(1_000))))
}

/// Whether the request is for a stream: one of topics, or one of a path of the tree.
fn requests_stream(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>();
    path.is_some_and(|path| path.as_str() == stream::PATH)
        || (firebase::is_tree_request(request) && stream::is_accepted(request.headers()))
}
