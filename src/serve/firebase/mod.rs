//! The view counts in the REST format of Firebase's Realtime Database (CONTRACTS, section 5).
//!
//! The tree is `{"project": {"<projectId>": {"durationMs": n, "views": n}}}`. Any path plus `.json` reads
//! the value at that path, or `null` if there is none. Errors have Firebase's format.

mod error;
mod get;
#[cfg(test)]
mod tests;
mod tree;

use axum::extract::FromRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reads::ReadState;
use super::stream::Streams;
pub(super) use error::{FirebaseError, shaped};
pub(super) use tree::{Event, Path};

/// Returns the routes for a service whose state contains [`ReadState`] and [`Streams`]. Other layers, such
/// as authentication, return errors in the format of other routes: wrap [`shaped`] around all layers.
pub(super) fn routes<S>() -> OpenApiRouter<S>
where
    ReadState: FromRef<S>,
    Streams: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new()
        .routes(routes!(get::root))
        .routes(routes!(get::projects))
        .routes(routes!(get::below))
}
