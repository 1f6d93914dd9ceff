//! `GET /openapi.json`.

use axum::Extension;
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;

use crate::serve::permissions::Permissions;

/// The description as JSON.
#[derive(Clone)]
pub(in crate::serve) struct OpenApiJson(pub(in crate::serve) Bytes);

/// Get this description
#[utoipa::path(
    get,
    path = "/openapi.json",
    responses((status = 200, description = "This description.", body = serde_json::Value))
)]
pub(in crate::serve) async fn openapi(
    // The description contains no data of classes or projects, so every token with the scope may read
    // it.
    _: Permissions,
    Extension(OpenApiJson(json)): Extension<OpenApiJson>,
) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], json)
}
