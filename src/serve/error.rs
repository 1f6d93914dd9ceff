//! The error of every route: `{"error": {"code", "message"}}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::EngineError;

/// The code while no generation of the cluster runs.
pub(super) const NO_GENERATION: &str = "cluster_incomplete";

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Seconds after which the client may try again.
    retry_after: Option<u64>,
}

/// The body of a failed request.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorDetail,
}

/// The error, for programs and for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// Identifies the kind of error, for programs.
    code: &'static str,
    /// Describes the error, for people.
    message: String,
}

impl ApiError {
    /// An error with a status, a code in snake case for programs, and a message for people.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// 400 `bad_parameter`: a parameter is invalid.
    pub fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_parameter", message)
    }

    /// 404 `not_found`: the path names something that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 404 `no_cluster`: the service is not a node of a cluster.
    pub(super) fn no_cluster() -> Self {
        let message = "this service is not a node of a cluster; it runs without --cluster";
        Self::new(StatusCode::NOT_FOUND, "no_cluster", message)
    }

    /// 503 `cluster_incomplete`: no generation of the cluster answers reads, for this reason.
    pub(super) fn no_generation(reason: &str) -> Self {
        let message =
            format!("no generation of the cluster answers reads: {reason}; try again in a second");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, NO_GENERATION, message).retry_after(1)
    }

    /// 503 `cluster_incomplete`: the node may not accept events yet, for this reason.
    pub(super) fn outside(reason: &str) -> Self {
        let message = format!("{reason}; try again in a second, or at another node");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, NO_GENERATION, message).retry_after(1)
    }

    /// Whether it is 503 `cluster_incomplete`.
    pub(super) fn is_no_generation(&self) -> bool {
        self.code == NO_GENERATION
    }

    /// 500 `internal`: the service failed. The reason is in its log, and not in the response.
    pub(super) fn internal() -> Self {
        let message = "the service failed to answer this request; its log has the reason";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// After how many seconds the same request may succeed; `None` if only another request can.
    pub(super) fn seconds_to_retry(&self) -> Option<u64> {
        self.retry_after
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Adds `Retry-After` to the response.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl From<EngineError> for ApiError {
    /// 503 `busy`, `cluster_incomplete` or `stopping`.
    fn from(error: EngineError) -> Self {
        let code = match error {
            EngineError::Busy => "busy",
            EngineError::NoGeneration => NO_GENERATION,
            EngineError::Stopped => "stopping",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string()).retry_after(1)
    }
}

impl IntoResponse for ApiError {
    /// The error is also an extension of the response, for layers that change its format.
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
