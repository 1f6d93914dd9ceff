//! Errors as Firebase tells them: `{"error": "message"}`.

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
    /// For people.
    error: String,
}

/// How requests of the tree may fail.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes what `shaped` answers")]
pub(super) enum Refusals {
    /// The path or a parameter is not what it may be
    #[response(status = 400)]
    Bad(FirebaseError),
    /// No token, one that is not known or not any more, or not for this
    #[response(status = 401)]
    Denied(FirebaseError),
    /// The path does not end with `.json`
    #[response(status = 404)]
    NotFound(FirebaseError),
    /// An error of the service, which its log tells of
    #[response(status = 500)]
    Internal(FirebaseError),
    /// Not now; the header Retry-After tells when
    #[response(status = 503)]
    Unavailable(FirebaseError),
}

/// An answer whose error, if it is one, is in Firebase's shape. Whoever may not read is told so by 401
/// alone, as Firebase has no 403.
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
    // The headers stay, but for those of the body that was.
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Json(error).into_response().into_body())
}
