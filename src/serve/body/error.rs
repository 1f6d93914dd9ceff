//! Errors that concern a complete body.

use axum::http::StatusCode;

use crate::serve::error::ApiError;

/// 413 `body_too_large`: the body has more than `bytes_max` bytes.
pub(in crate::serve) fn body_too_large(bytes_max: usize) -> ApiError {
    too_large(format!("the body has more than {bytes_max} bytes; split it into several requests"))
}

/// 413 `body_too_large`: a part of the body is too large.
pub(in crate::serve) fn too_large(message: String) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
}

/// 400 `bad_body`: the body cannot be read.
pub(in crate::serve) fn bad_body(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_body", message)
}

/// 415 `unsupported_media_type`: the headers name a type or encoding that the call does not accept.
pub(in crate::serve) fn unsupported_media_type(message: String) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
}
