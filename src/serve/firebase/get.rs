//! The handlers that read the tree or open a stream of it.

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::net::SocketAddr;
use utoipa::{IntoParams, ToSchema};
use xxhash_rust::xxh3::xxh3_128;

use super::error::ErrorResponses;
use super::tree::{Path, PathError};
use crate::serve::error::ApiError;
use crate::serve::params::QueryParams;
use crate::serve::permissions::Permissions;
use crate::serve::reads::ReadState;
use crate::serve::stream::{Streams, Topic};
use crate::serve::{etag, fallback};

/// The request header that asks for an ETag in the response.
const REQUEST_ETAG: &str = "x-firebase-etag";

/// The parameter `print`: how to write the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Print {
    /// Indented.
    Pretty,
    /// No body, status 204.
    Silent,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TreeParams {
    /// Whether to write `true` in place of each object's values.
    #[serde(default)]
    shallow: bool,
    /// How to write the JSON.
    #[param(inline)]
    print: Option<Print>,
}

/// A parsed request whose token permits its path.
pub(super) struct TreeRequest {
    path: Path,
    params: TreeParams,
    headers: HeaderMap,
    permissions: Permissions,
    peer: Option<ConnectInfo<SocketAddr>>,
}

impl<S: Send + Sync> FromRequestParts<S> for TreeRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = match Path::parse(parts.uri.path()) {
            Ok(path) => path,
            Err(PathError::NoJsonSuffix) => {
                return Err(fallback::unknown_path(parts.uri.clone()).await);
            }
            Err(error) => return Err(ApiError::bad_parameter(error.to_string())),
        };
        let permissions = Permissions::from_request_parts(parts, state).await?;
        path.check(&permissions)?;
        let QueryParams(params) = QueryParams::from_request_parts(parts, state).await?;
        let peer = parts.extensions.get().copied();
        Ok(Self { path, params, headers: parts.headers.clone(), permissions, peer })
    }
}

/// Returns the complete tree. With `Accept: text/event-stream` it streams the tree in Firebase's events:
/// first `put`, then `put`, `patch`, `keep-alive` and `auth_revoked`.
#[utoipa::path(
    get,
    path = "/.json",
    params(TreeParams),
    responses(
        (status = OK, body = serde_json::Value, description = "The tree, or null."),
        (status = NO_CONTENT, description = "It is there, and `print` is `silent`."),
        (status = NOT_MODIFIED, description = "If-None-Match names its ETag."),
        ErrorResponses,
    )
)]
pub(super) async fn root(
    State(reads): State<ReadState>,
    State(streams): State<Streams>,
    request: TreeRequest,
) -> Result<Response, ApiError> {
    request.respond(&reads, &streams)
}

/// Returns all projects, or a stream of them.
#[utoipa::path(
    get,
    path = "/project.json",
    params(TreeParams),
    responses(
        (status = OK, body = serde_json::Value, description = "The projects by id, or null."),
        (status = NO_CONTENT, description = "They are there, and `print` is `silent`."),
        (status = NOT_MODIFIED, description = "If-None-Match names their ETag."),
        ErrorResponses,
    )
)]
pub(super) async fn projects(
    State(reads): State<ReadState>,
    State(streams): State<Streams>,
    request: TreeRequest,
) -> Result<Response, ApiError> {
    request.respond(&reads, &streams)
}

/// Returns a project or one of its counters, or a stream of it.
///
/// The path ends with `<projectId>.json`, `<projectId>/views.json` or `<projectId>/durationMs.json`; any
/// other path below a project returns null. A slash in an id is written `%2F`.
#[utoipa::path(
    get,
    path = "/project/{*path}",
    params(
        ("path" = String, Path, pattern = r"^.+\.json$", example = "project-1.json",
            description = "What is asked for, and `.json`."),
        TreeParams,
    ),
    responses(
        (status = OK, body = serde_json::Value, description = "What is there, or null."),
        (status = NO_CONTENT, description = "It is there, and `print` is `silent`."),
        (status = NOT_MODIFIED, description = "If-None-Match names its ETag."),
        ErrorResponses,
    )
)]
pub(super) async fn below(
    State(reads): State<ReadState>,
    State(streams): State<Streams>,
    request: TreeRequest,
) -> Result<Response, ApiError> {
    request.respond(&reads, &streams)
}

impl TreeRequest {
    /// Returns the value at the path, or a stream of it if the client accepts one.
    fn respond(&self, reads: &ReadState, streams: &Streams) -> Result<Response, ApiError> {
        let accepted = self.headers.get_all(header::ACCEPT).iter();
        let mut accepted = accepted.filter_map(|accepted| accepted.to_str().ok());
        if accepted.any(|accepted| accepted.contains("text/event-stream")) {
            let ConnectInfo(peer) = self.peer.ok_or_else(ApiError::internal)?;
            let topics = vec![Topic::Tree(self.path.clone())];
            return streams.open(peer.ip(), &self.permissions, topics, None);
        }
        let counts = self.path.counts(&reads.engine.live_state().1);
        let node = self.path.node(counts);
        let node = if self.params.shallow { node.shallow() } else { node };
        let json = serde_json::to_string(&node).map_err(|_| ApiError::internal())?;
        let etag = etag::from_hash(xxh3_128(json.as_bytes()));
        let is_known = etag::matches(&self.headers, &etag);
        let is_requested = self.headers.get(REQUEST_ETAG).is_some_and(|value| value == "true");
        let mut response = match self.params.print {
            _ if is_known => StatusCode::NOT_MODIFIED.into_response(),
            Some(Print::Silent) => StatusCode::NO_CONTENT.into_response(),
            Some(Print::Pretty) => json_response(
                serde_json::to_string_pretty(&node).map_err(|_| ApiError::internal())?,
            ),
            None => json_response(json),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
        if is_known || is_requested {
            headers.insert(header::ETAG, etag.parse().map_err(|_| ApiError::internal())?);
        }
        Ok(response)
    }
}

fn json_response(json: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], json).into_response()
}
