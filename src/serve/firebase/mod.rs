//! The view counts as Firebase's Realtime Database shows them over REST (CONTRACTS, section 5).
//!
//! The tree is `{"project": {"<projectId>": {"durationMs": n, "views": n}}}`; any path plus `.json`
//! reads what is there, and `null` where nothing is. Errors are in Firebase's shape.

mod get;
mod refusal;
#[cfg(test)]
mod tests;
mod tree;

use axum::extract::FromRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reads::ReadState;
use super::stream::Streams;
pub(super) use refusal::{FirebaseError, shaped};
pub(super) use tree::{Event, Path};

/// The routes, for a service whose state holds [`ReadState`] and [`Streams`]. The layers around them refuse in the shape
/// of other routes: [`shaped`] is to be put around all.
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
