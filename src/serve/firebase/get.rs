//! Reads of the tree, and streams of its changes.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use xxhash_rust::xxh3::xxh3_128;

use super::error::ErrorResponses;
use crate::serve::error::ApiError;
use crate::serve::firebase_tree::{TreePath, TreePathError};
use crate::serve::params::QueryParams;
use crate::serve::permissions::Permissions;
use crate::serve::reads::ReadState;
use crate::serve::stream::{Streams, Topic};
use crate::serve::{etag, fallback};

/// The header that requests an ETag.
const ETAG_REQUEST: &str = "x-firebase-etag";

/// The format of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Print {
    /// JSON with indentation.
    Pretty,
    /// No body: 204.
    Silent,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TreeParams {
    /// Whether to return `true` in place of the data below each key.
    #[serde(default)]
    shallow: bool,
    /// The format of the response.
    #[param(inline)]
    print: Option<Print>,
}

/// A request for a path that its token permits.
pub(super) struct TreeRequest {
    path: TreePath,
    params: TreeParams,
    headers: HeaderMap,
    permissions: Permissions,
    peer: Option<ConnectInfo<SocketAddr>>,
}

impl<S: Send + Sync> FromRequestParts<S> for TreeRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = match TreePath::parse(parts.uri.path()) {
            Ok(path) => path,
            Err(TreePathError::NoJsonSuffix) => {
                return Err(fallback::unknown_path(parts.uri.clone()).await);
            }
            Err(error) => return Err(ApiError::bad_parameter(error.to_string())),
        };
        let permissions = Permissions::from_request_parts(parts, state).await?;
        path.authorize(&permissions)?;
        let QueryParams(params) = QueryParams::from_request_parts(parts, state).await?;
        let peer = parts.extensions.get().copied();
        Ok(Self { path, params, headers: parts.headers.clone(), permissions, peer })
    }
}

/// The complete tree, or a stream of its changes.
///
/// A client that accepts `text/event-stream` gets Firebase's events: a `put` with the current data, then
/// `put` and `patch` for each change, `keep-alive`, and `auth_revoked` when its token expires.
#[utoipa::path(
    get,
    path = "/.json",
    params(TreeParams),
    responses(
        (status = OK, body = serde_json::Value, description = "The tree, or null."),
        (status = NO_CONTENT, description = "`print` is `silent`."),
        (status = NOT_MODIFIED, description = "The data still has an ETag of If-None-Match."),
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

/// All projects, or a stream of their changes.
#[utoipa::path(
    get,
    path = "/project.json",
    params(TreeParams),
    responses(
        (status = OK, body = serde_json::Value, description = "The projects by id, or null."),
        (status = NO_CONTENT, description = "`print` is `silent`."),
        (status = NOT_MODIFIED, description = "The data still has an ETag of If-None-Match."),
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

/// A project or one of its counters, or a stream of its changes.
///
/// The path ends with `<projectId>.json`, `<projectId>/views.json` or `<projectId>/durationMs.json`. Any
/// other path below a project returns null. Write a slash in a project id as `%2F`.
#[utoipa::path(
    get,
    path = "/project/{*path}",
    // Public: generated clients use it as the name of the method.
    operation_id = "below",
    params(
        ("path" = String, Path, pattern = r"^.+\.json$", example = "project-1.json",
            description = "A path below the projects, and `.json`."),
        TreeParams,
    ),
    responses(
        (status = OK, body = serde_json::Value, description = "The data, or null."),
        (status = NO_CONTENT, description = "`print` is `silent`."),
        (status = NOT_MODIFIED, description = "The data still has an ETag of If-None-Match."),
        ErrorResponses,
    )
)]
pub(super) async fn project_path(
    State(reads): State<ReadState>,
    State(streams): State<Streams>,
    request: TreeRequest,
) -> Result<Response, ApiError> {
    request.respond(&reads, &streams)
}

impl TreeRequest {
    /// The data at the path, or a stream of its changes if the client accepts one.
    fn respond(&self, reads: &ReadState, streams: &Streams) -> Result<Response, ApiError> {
        if self.accepts_stream() {
            let ConnectInfo(peer) = self.peer.ok_or_else(ApiError::internal)?;
            let topics = vec![Topic::Tree(self.path.clone())];
            return streams.open(peer.ip(), &self.permissions, topics, None);
        }
        self.read(reads)
    }

    fn accepts_stream(&self) -> bool {
        let accepted = self.headers.get_all(header::ACCEPT).iter();
        let mut accepted = accepted.filter_map(|accepted| accepted.to_str().ok());
        accepted.any(|accepted| accepted.contains("text/event-stream"))
    }

    fn read(&self, reads: &ReadState) -> Result<Response, ApiError> {
        let counts = self.path.counts(&reads.engine.live_state().1);
        let node = self.path.node(counts);
        let node = if self.params.shallow { node.shallow() } else { node };
        let json = serde_json::to_string(&node).map_err(|_| ApiError::internal())?;
        let etag = etag::from_hash(xxh3_128(json.as_bytes()));
        let is_unchanged = etag::matches(&self.headers, &etag);
        let is_requested = self.headers.get(ETAG_REQUEST).is_some_and(|value| value == "true");
        let mut response = match self.params.print {
            _ if is_unchanged => StatusCode::NOT_MODIFIED.into_response(),
            Some(Print::Silent) => StatusCode::NO_CONTENT.into_response(),
            Some(Print::Pretty) => {
                let json = serde_json::to_string_pretty(&node);
                json_response(json.map_err(|_| ApiError::internal())?)
            }
            None => json_response(json),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
        if is_unchanged || is_requested {
            headers.insert(header::ETAG, etag.parse().map_err(|_| ApiError::internal())?);
        }
        Ok(response)
    }
}

fn json_response(json: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], json).into_response()
}
