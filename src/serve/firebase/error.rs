//! Errors in Firebase's format: `{"error": "message"}`.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::auth::TokenError;
use crate::serve::error::ApiError;

/// The body of a failed request.
#[derive(Serialize, ToSchema)]
pub(in crate::serve) struct FirebaseError {
    /// A message for people.
    error: String,
}

/// The error responses of the tree's routes, for the OpenAPI description.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes the responses of `shaped`")]
pub(super) enum ErrorResponses {
    /// The path or a parameter is not valid
    #[response(status = 400)]
    Bad(FirebaseError),
    /// The token is missing, unknown or expired, or does not permit this path
    #[response(status = 401)]
    Denied(FirebaseError),
    /// The path does not end with `.json`
    #[response(status = 404)]
    NotFound(FirebaseError),
    /// An internal error; the service's log has the details
    #[response(status = 500)]
    Internal(FirebaseError),
    /// Temporarily unavailable; the header Retry-After says when to retry
    #[response(status = 503)]
    Unavailable(FirebaseError),
}

/// Converts an error response to Firebase's format and returns other responses unchanged. A missing
/// permission becomes 401, because Firebase has no 403.
pub(in crate::serve) async fn shaped(response: Response) -> Response {
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
    // All headers stay except the length of the replaced body.
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Json(error).into_response().into_body())
}
