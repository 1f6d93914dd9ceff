//! Responses for requests that no handler answers.

use std::any::Any;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;
use tracing::error;

use super::error::ApiError;
use super::excerpt::excerpt;
use super::firebase;

/// The answer for a path without a route: that of `tree` for a path of the Firebase tree, otherwise a 404.
pub(super) async fn unmatched(tree: Router, request: Request) -> Response {
    if !firebase::is_tree_request(&request) {
        return unknown_path(request.uri().clone()).await.into_response();
    }
    match tree.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// 404 for a path without a route.
pub(super) async fn unknown_path(uri: Uri) -> ApiError {
    let path = excerpt(uri.path());
    ApiError::not_found(format!("there is no '{path}'; GET /openapi.json lists all paths"))
}

/// 405 for a path that has other methods. axum adds the header `Allow`.
pub(super) async fn unknown_method(method: Method) -> ApiError {
    let method = excerpt(method.as_str());
    let message = format!("this path does not support {method}; see the header Allow");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// 500 for a handler that panicked. The reason is logged and not sent.
pub(super) fn handler_panicked(panic: Box<dyn Any + Send>) -> Response {
    let reason = panic.downcast_ref::<&str>().map(|reason| (*reason).to_owned());
    let reason = reason.or_else(|| panic.downcast_ref::<String>().cloned());
    error!(reason = reason.as_deref().unwrap_or("unknown"), "a handler panicked");
    ApiError::internal().into_response()
}
