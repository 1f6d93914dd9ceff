//! Layers around all routes, or around many: metrics, logs, common headers, and the rate of requests.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, histogram};
use tracing::debug;

use super::error::ApiError;
use super::health::HEALTH_PATH;
use super::stale::{STALE, stale_value};
use super::state::App;
use super::stream;

/// Logs and counts a request, and adds the headers that all responses have.
pub(super) async fn record(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    // All unknown paths share a label; otherwise clients could create any number of labels.
    let route = matched.map_or("unmatched", MatchedPath::as_str).to_owned();

    let mut response = next.run(request).await;
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));

    let elapsed = started.elapsed();
    debug!(%method, route, status = status.as_u16(), ms = elapsed.as_secs_f64() * 1e3, "responded");
    let labels = [("route", route.clone()), ("status", status.as_u16().to_string())];
    counter!("velodrome_http_requests_total", &labels).increment(1);
    histogram!("velodrome_http_seconds", "route" => route).record(elapsed.as_secs_f64());
    response
}

/// 429 for a client over its rate of requests. It applies before tokens are checked, so it also limits
/// how fast a client can guess tokens. A health check is answered at any rate: it costs less than a refusal,
/// and often comes through the same proxy as the clients.
pub(super) async fn limit_rate(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if request.uri().path() != HEALTH_PATH {
        app.limiter().check_request(peer.ip())?;
    }
    Ok(next.run(request).await)
}

/// 400 `bad_host` for a request that names several hosts: a proxy in front of the service may believe the
/// other one (RFC 9112, 3.2). Adds the host that HTTP/2 sends in the place of the header.
pub(super) async fn require_one_host(
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let differs = |host: &HeaderValue| authority.is_some_and(|named| named != host);
    if second.is_some() || first.is_some_and(differs) {
        let message = "the request names several hosts; send one, in the header Host";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_host", message));
    }
    let host = authority.filter(|_| first.is_none()).map(HeaderValue::try_from);
    if let Some(Ok(host)) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(next.run(request).await)
}

/// 503 `memory_full` while the process has more memory than it may.
pub(super) async fn require_memory(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    app.check_memory()?;
    Ok(next.run(request).await)
}

/// 503 `starting` until the service has started, and 503 `cluster_incomplete` until readers have a state. Marks the
/// answers of a node whose cluster has no generation as [`STALE`], and gives all reads that it cannot answer the same error.
pub(super) async fn require_state(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    app.log()?;
    app.check_state()?;
    let stale = app.stale();
    let mut response = next.run(request).await;
    if response.extensions().get().is_some_and(ApiError::is_no_generation) {
        // The engine does not know the reason.
        app.check_generation()?;
    }
    let has_results = !response.status().is_client_error() && !response.status().is_server_error();
    // A generation may have ended or begun to answer during the request.
    if has_results && let Some(reason) = stale.or_else(|| app.stale()) {
        response.headers_mut().insert(STALE, stale_value(&reason));
    }
    Ok(response)
}

/// Opens a stream, also before readers have a state. Marks it as [`STALE`] while it waits for its first frame, and
/// while its results are not updated.
pub(super) async fn mark_stream(State(app): State<App>, request: Request, next: Next) -> Response {
    let stale = app.stream_staleness();
    let mut response = next.run(request).await;
    if response.status().is_success()
        && let Some(reason) = stale
    {
        response.headers_mut().insert(STALE, stale_value(&reason));
    }
    response
}

/// [`mark_stream`] for a client that accepts a stream, and [`require_state`] for all others.
pub(super) async fn require_state_of_read(
    app: State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    match stream::is_accepted(request.headers()) {
        true => Ok(mark_stream(app, request, next).await),
        false => require_state(app, request, next).await,
    }
}

/// 503 `starting` until the service has started.
pub(super) async fn require_started(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    app.log()?;
    Ok(next.run(request).await)
}
