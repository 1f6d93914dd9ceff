//! Alleycat's own API, so that its published front end works without changes.
//!
//! Each call has a file with its handler and its JSON: items in the format of Alleycat's table, and the
//! history objects.

mod get_races;
mod history;
mod leaderboard;
mod params;
#[cfg(test)]
mod tests;

use axum::extract::FromRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reads::ReadState;
use crate::publish::HistoryObjects;

/// The routes, for a router whose state contains a [`ReadState`] and the history [`HistoryObjects`].
pub(super) fn routes<S>() -> OpenApiRouter<S>
where
    ReadState: FromRef<S>,
    HistoryObjects: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new()
        .routes(routes!(get_races::get_races))
        .routes(routes!(leaderboard::leaderboard))
        .routes(routes!(history::history))
}
