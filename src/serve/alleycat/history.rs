//! The published history objects: each racer's record at each second of a class.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
use velodrome_dataflows::ClassId;

use crate::publish::{HistoryObject, HistoryObjects};
use crate::results::history::class_of_object;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::etag;
use crate::serve::excerpt::excerpt;
use crate::serve::params::PathParams;
use crate::serve::permissions::Permissions;
use crate::serve::reads::ReadState;

/// The time to wait until an outdated object is published again; the same as for the parameter `after`.
const PUBLISH_WAIT: Duration = Duration::from_secs(5);

/// The history of a class: gzip of `{"<second>": {"<racerId>": output, …}, …}`.
///
/// It is published at most once per minute, and immediately after a change of bans. HEAD returns its
/// length and ETag. Query parameters are ignored, because front ends add some to get past caches.
#[utoipa::path(
    get,
    path = "/history/{object}",
    params(
        ("object" = String, Path, pattern = r"^class-[1-9][0-9]{0,4}\.gz$", example = "class-1.gz",
            description = "`class-<classId>.gz`."),
        ("If-None-Match" = Option<String>, Header, description = "The ETags of objects that the client has."),
    ),
    responses(
        (status = OK, body = Vec<u8>, content_type = "application/gzip", description = "The object.",
            headers(("ETag" = String, description = "It changes with the object's bytes."))),
        (status = NOT_MODIFIED, description = "The client has the current object."),
        (status = NOT_FOUND, body = ErrorBody, description = "The class has no records, or no object is published yet."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The object is not published again within 5 s of a change of bans or rules."),
    )
)]
pub(super) async fn history(
    State(reads): State<ReadState>,
    State(objects): State<HistoryObjects>,
    permissions: Permissions,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let class = class_of_object(&name).ok_or_else(|| not_found(&name))?;
    permissions.require_class(class)?;
    // An older object may have a racer that is banned by now, lack one whose ban was lifted, or be from
    // other rules.
    let since = reads.engine.live_state().1.global_version();
    let object = timeout(PUBLISH_WAIT, objects.get(class, since)).await;
    let object = object.map_err(|_| outdated(class))?.map_err(|error| unreadable(class, &error))?;
    let object = object.ok_or_else(|| not_found(&name))?;
    Ok(reply(object, &headers))
}

fn reply(object: HistoryObject, headers: &HeaderMap) -> Response {
    let etag = etag::from_hash(object.hash);
    let is_known = etag::matches(headers, &etag);
    let common = [(header::ETAG, etag), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let body_headers: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_LENGTH, object.length.to_string()),
    ];
    (common, body_headers, Body::from_stream(object.chunks())).into_response()
}

fn not_found(name: &str) -> ApiError {
    let name = excerpt(name);
    ApiError::not_found(format!("there is no history '{name}'; /v1/classes lists the classes"))
}

fn unreadable(class: ClassId, error: &io::Error) -> ApiError {
    let message = format!("the history of class '{class}' cannot be opened: {error}; try again");
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1)
}

fn outdated(class: ClassId) -> ApiError {
    let message = format!(
        "the history of class '{class}' was not published again within {PUBLISH_WAIT:?} of a change \
         of bans or rules; try again"
    );
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "not_published", message)
}
