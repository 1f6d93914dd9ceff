//! The REST endpoints of Firebase's Realtime Database, for the view counts.
//!
//! A path of the tree plus `.json` returns the data at that path, or `null` if there is none. A client
//! that accepts `text/event-stream` gets a stream of changes instead. Errors have Firebase's format.

mod error;
mod get;
mod paths;
#[cfg(test)]
mod tests;

use axum::extract::FromRef;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reads::ReadState;
use super::stream::Streams;
pub(super) use error::{FirebaseError, format_errors};
pub(super) use paths::is_tree_request;

/// The routes, for a router whose state contains [`ReadState`] and [`Streams`].
///
/// The layers around all routes return errors in the API's own format, so [`format_errors`] must be the
/// outermost layer.
pub(super) fn routes<S>() -> OpenApiRouter<S>
where
    ReadState: FromRef<S>,
    Streams: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new()
        .routes(routes!(get::root))
        .routes(routes!(get::projects))
        .routes(routes!(get::project_path))
}

/// The route of all other paths of the tree. They never have data, or are other spellings of paths that have.
pub(super) fn routes_of_other_paths<S>() -> OpenApiRouter<S>
where
    ReadState: FromRef<S>,
    Streams: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new().route("/{*path}", get(get::any_path))
}
