//! Errors in Firebase's format: `{"error": "message"}`.

use axum::Json;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::paths::is_tree_request;
use crate::auth::TokenError;
use crate::serve::error::ApiError;

/// The body of a failed request.
#[derive(Serialize, ToSchema)]
pub(in crate::serve) struct FirebaseError {
    /// Describes the error, for people.
    error: String,
}

/// The error responses of the routes, for the OpenAPI description.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes the responses of `format_errors`")]
pub(super) enum ErrorResponses {
    /// The path or a parameter is invalid.
    #[response(status = 400)]
    Invalid(FirebaseError),
    /// The token is missing, invalid, expired, or does not permit this path.
    #[response(status = 401)]
    Denied(FirebaseError),
    /// The path does not end with `.json`.
    #[response(status = 404)]
    NotFound(FirebaseError),
    /// The service failed. Its log has the reason.
    #[response(status = 500)]
    Internal(FirebaseError),
    /// This client sends too much. The header Retry-After states when to send again.
    #[response(status = 429)]
    TooMany(FirebaseError),
    /// The service is busy, starting or stopping. The header Retry-After states when to try again.
    #[response(status = 503)]
    Unavailable(FirebaseError),
}

/// Middleware that converts errors of paths of the tree to Firebase's format, including errors of the layers
/// around the handlers. Firebase has no 403, so a missing permission is a 401.
pub(in crate::serve) async fn format_errors(request: Request, next: Next) -> Response {
    let is_tree = is_tree_request(&request);
    let response = next.run(request).await;
    if !is_tree {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Some(error) = parts.extensions.remove::<ApiError>() else {
        return Response::from_parts(parts, body);
    };
    let (status, message) = match error.status() {
        StatusCode::UNAUTHORIZED if error.message() == TokenError::Expired.to_string() => {
            (StatusCode::UNAUTHORIZED, "Auth token is expired")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            (StatusCode::UNAUTHORIZED, "Permission denied")
        }
        status => (status, error.message()),
    };
    let error = FirebaseError { error: message.to_owned() };
    parts.status = status;
    // The length of the previous body.
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Json(error).into_response().into_body())
}
