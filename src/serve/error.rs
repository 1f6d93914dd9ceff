//! What a client is told when its request fails: `{"error": {"code", "message"}}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::EngineError;

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// When to try again, in seconds.
    retry_after: Option<u64>,
}

/// The body of a failed request.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorDetail,
}

/// Which error it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// For programs, in snake case.
    code: &'static str,
    /// For people.
    message: String,
}

impl ApiError {
    /// An error by its status, a code in snake case for programs, and a message for people.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// 400: a parameter is not what it may be.
    pub fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_parameter", message)
    }

    /// 404: what was asked for is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Its status.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What people are told.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The same error that asks the client to come again in so many seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl From<EngineError> for ApiError {
    /// 503 `busy` or `stopping`.
    fn from(error: EngineError) -> Self {
        let code = match error {
            EngineError::Busy => "busy",
            EngineError::Stopped => "stopping",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string()).retry_after(1)
    }
}

impl IntoResponse for ApiError {
    /// The response holds the error as well, for layers that tell it in another shape.
    fn into_response(self) -> Response {
        let Self { status, code, message, retry_after } = self.clone();
        let body = Json(ErrorBody { error: ErrorDetail { code, message } });
        let mut response = (status, body).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}
