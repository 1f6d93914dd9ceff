//! What all requests have in common: headers, logs, metrics, and errors that no route answers.

use std::any::Any;
use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{counter, histogram};
use tracing::{debug, error};

use super::App;
use super::error::ApiError;
use super::query::{VALUE_CHARS_MAX, internal, shortened};

/// Logs and counts a request, and adds the headers that every answer has.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    // Paths that nobody serves are one, or clients could make up any number of labels.
    let route = matched.map_or("unmatched", MatchedPath::as_str).to_owned();

    let mut response = next.run(request).await;
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));

    let elapsed = started.elapsed();
    debug!(%method, route, status = status.as_u16(), ms = elapsed.as_secs_f64() * 1e3, "answered");
    let labels = [("route", route.clone()), ("status", status.as_u16().to_string())];
    counter!("velodrome_http_requests_total", &labels).increment(1);
    histogram!("velodrome_http_seconds", "route" => route).record(elapsed.as_secs_f64());
    response
}

/// Lets through as many requests a second as a client may send, before anything is done for them:
/// tokens are guessed no faster either.
pub(super) async fn admit(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    app.admission().request(peer.ip())?;
    Ok(next.run(request).await)
}

/// Lets requests through once the service has started.
pub(super) async fn started(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    app.log()?;
    Ok(next.run(request).await)
}

/// 503 `starting`: what the log held is not recovered yet.
pub(super) fn starting() -> ApiError {
    let message = "the service is starting; try again in a moment";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "starting", message).retry_after(1)
}

/// Answers in place of a handler that panicked.
pub(super) fn caught(panic: Box<dyn Any + Send>) -> Response {
    let reason = panic.downcast_ref::<&str>().map(|reason| (*reason).to_owned());
    let reason = reason.or_else(|| panic.downcast_ref::<String>().cloned());
    error!(reason = reason.as_deref().unwrap_or("unknown"), "a handler panicked");
    internal().into_response()
}

/// 404 for a path that nobody serves.
pub(super) async fn unknown_path(uri: Uri) -> ApiError {
    let path = shortened(uri.path(), VALUE_CHARS_MAX);
    ApiError::not_found(format!("there is no '{path}'; /openapi.json tells what there is"))
}

/// 405 for a path that is served by other methods; axum adds which.
pub(super) async fn unknown_method(method: Method) -> ApiError {
    let method = shortened(method.as_str(), VALUE_CHARS_MAX);
    let message = format!("{method} is not served here; the header Allow tells what is");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
