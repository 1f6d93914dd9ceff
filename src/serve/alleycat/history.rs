//! The history objects: each racer's best output ever at each second, as they are published.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
use velodrome_dataflows::ClassId;

use crate::publish::{Object, Objects};
use crate::results::history::class_of;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::etag;
use crate::serve::grant::Grant;
use crate::serve::query::{NoParams, Params, PathParam, VALUE_CHARS_MAX, shortened};
use crate::serve::reads::Reads;

/// How long to wait for an object that has to be published anew: as long as for what `after` names.
const PUBLISH_WAIT: Duration = Duration::from_secs(5);

/// The history of a class: gzip of `{"<second>": {"<racerId>": output, …}, …}`.
///
/// It is published at most once a minute, but at once where who is banned changed. HEAD tells its
/// length and ETag.
#[utoipa::path(
    get,
    path = "/history/{object}",
    params(
        ("object" = String, Path, pattern = r"^class-[1-9][0-9]{0,4}\.gz$", example = "class-1.gz",
            description = "`class-<classId>.gz`."),
        ("If-None-Match" = Option<String>, Header, description = "ETags of those that are there already."),
    ),
    responses(
        (status = OK, body = Vec<u8>, content_type = "application/gzip", description = "The object.",
            headers(("ETag" = String, description = "Another one for other bytes."))),
        (status = NOT_MODIFIED, description = "It is there already."),
        (status = NOT_FOUND, body = ErrorBody, description = "The class has no records, or none is published yet."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "It is not written anew within 5 s of a change of bans or rules."),
    )
)]
pub(super) async fn history(
    State(reads): State<Reads>,
    State(objects): State<Objects>,
    grant: Grant,
    PathParam(name): PathParam<String>,
    Params(NoParams {}): Params<NoParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let class = class_of(&name).ok_or_else(|| not_found(&name))?;
    grant.class(class)?;
    // What was read before holds who is banned by now, lacks who is not any more, or is of other rules.
    let since = reads.engine.live().1.all_version();
    let object = timeout(PUBLISH_WAIT, objects.get(class, since)).await;
    let object = object.map_err(|_| behind(class))?.ok_or_else(|| not_found(&name))?;
    Ok(reply(object, &headers))
}

fn reply(object: Object, headers: &HeaderMap) -> Response {
    let etag = etag::of(object.hash);
    let is_known = etag::is_named(headers, &etag);
    let of_both = [(header::ETAG, etag), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, of_both).into_response();
    }
    let of_body: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_LENGTH, object.length.to_string()),
    ];
    (of_both, of_body, Body::from_stream(object.pieces())).into_response()
}

fn not_found(name: &str) -> ApiError {
    let name = shortened(name, VALUE_CHARS_MAX);
    ApiError::not_found(format!("there is no history '{name}'; /v1/classes tells what there is"))
}

fn behind(class: ClassId) -> ApiError {
    let message = format!(
        "the history of class '{class}' is not written anew within {PUBLISH_WAIT:?} of a change of \
         bans or rules; try again"
    );
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "not_published", message)
}
