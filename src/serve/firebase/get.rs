//! Reads of the tree, and streams of its changes.

use std::io::{self, Write};
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::EventTime;
use xxhash_rust::xxh3::xxh3_128;

use super::error::ErrorResponses;
use crate::serve::answers::RenderingKey;
use crate::serve::error::ApiError;
use crate::serve::firebase_tree::{TreeCounts, TreeNode, TreePath, TreePathError};
use crate::serve::params::QueryParams;
use crate::serve::permissions::Permissions;
use crate::serve::reads::ReadState;
use crate::serve::stream::{self, Streams, Topic};
use crate::serve::{etag, fallback};

/// The header that requests an ETag.
const ETAG_REQUEST: &str = "x-firebase-etag";
/// The content type of the data.
const JSON: &str = "application/json; charset=utf-8";

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
    /// The name of the database. It has no effect: a service has one. Firebase's libraries send it to a server on
    /// this machine.
    #[allow(dead_code, reason = "clients send it, and a service has one database")]
    ns: Option<String>,
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
    request.respond(&reads, &streams).await
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
    request.respond(&reads, &streams).await
}

/// A project or one of its counters, or a stream of its changes.
///
/// The path ends with `<projectId>.json`, `<projectId>/views.json` or `<projectId>/durationMs.json`. Any
/// other path returns null. In keys, the characters of a project id that Firebase forbids are escaped: `.`, `$`, `#`,
/// `[`, `]`, `/` and `%` as `%2E`, `%24`, `%23`, `%5B`, `%5D`, `%2F` and `%25`.
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
    request.respond(&reads, &streams).await
}

/// The data at any other path, such as one with an empty key. There is none at most of them.
pub(super) async fn any_path(
    State(reads): State<ReadState>,
    State(streams): State<Streams>,
    request: TreeRequest,
) -> Result<Response, ApiError> {
    request.respond(&reads, &streams).await
}

impl TreeRequest {
    /// The data at the path, or a stream of its changes if the client accepts one.
    async fn respond(&self, reads: &ReadState, streams: &Streams) -> Result<Response, ApiError> {
        if stream::is_accepted(&self.headers) {
            let ConnectInfo(peer) = self.peer.ok_or_else(ApiError::internal)?;
            let topics = vec![Topic::Tree(self.path.clone())];
            return streams.open(peer.ip(), &self.permissions, topics, None);
        }
        self.read(reads).await
    }

    async fn read(&self, reads: &ReadState) -> Result<Response, ApiError> {
        let counts = self.path.counts(&reads.engine.live_state().1);
        let (etag, response) = match counts {
            TreeCounts::All(list) => self.read_all(reads, list.version()).await?,
            TreeCounts::One(_) => self.json(&counts)?,
        };
        let is_unchanged = etag::matches(&self.headers, &etag);
        let is_requested = self.headers.get(ETAG_REQUEST).is_some_and(|value| value == "true");
        let mut response = match self.params.print {
            _ if is_unchanged => StatusCode::NOT_MODIFIED.into_response(),
            Some(Print::Silent) => StatusCode::NO_CONTENT.into_response(),
            Some(Print::Pretty) | None => response,
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
        if is_unchanged || is_requested {
            headers.insert(header::ETAG, etag.parse().map_err(|_| ApiError::internal())?);
        }
        Ok(response)
    }

    /// The ETag and the response of a path with all projects, as of `version` or later.
    async fn read_all(
        &self,
        reads: &ReadState,
        version: EventTime,
    ) -> Result<(String, Response), ApiError> {
        let (is_shallow, is_pretty) = (self.params.shallow, self.is_pretty());
        let key = RenderingKey::Tree(self.path.clone(), is_shallow, is_pretty);
        let prepare = async || {
            let (path, counts) =
                (self.path.clone(), self.path.counts(&reads.engine.live_state().1));
            let TreeCounts::All(list) = &counts else { return Err(ApiError::internal()) };
            let version = list.version();
            let render = move |out: &mut dyn Write| {
                write_node(path.node(&counts), is_shallow, is_pretty, out)
            };
            Ok((version, render))
        };
        let rendering = reads.renderings.get(key, version, prepare).await?;
        Ok((etag::from_hash(rendering.hash), rendering.response(JSON)))
    }

    /// The ETag and the response of a path with one project or none.
    fn json(&self, counts: &TreeCounts) -> Result<(String, Response), ApiError> {
        let (mut json, is_shallow) = (Vec::new(), self.params.shallow);
        let written = write_node(self.path.node(counts), is_shallow, self.is_pretty(), &mut json);
        written.map_err(|_| ApiError::internal())?;
        let etag = etag::from_hash(xxh3_128(&json));
        Ok((etag, ([(header::CONTENT_TYPE, JSON)], json).into_response()))
    }

    fn is_pretty(&self) -> bool {
        self.params.print == Some(Print::Pretty)
    }
}

fn write_node(
    node: TreeNode,
    is_shallow: bool,
    is_pretty: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let node = if is_shallow { node.shallow() } else { node };
    let written = match is_pretty {
        true => serde_json::to_writer_pretty(out, &node),
        false => serde_json::to_writer(out, &node),
    };
    written.map_err(io::Error::from)
}
