//! Alleycat's own API, so that its published front end works as it is (CONTRACTS, section 5).
//!
//! A file a call, with the JSON that it answers: items as they are in Alleycat's table, and the
//! history objects.

mod get_races;
mod history;
mod leaderboard;
#[cfg(test)]
mod tests;

use axum::extract::FromRef;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use velodrome_dataflows::ClassId;

use super::reads::Reads;
use crate::publish::Objects;

#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct ClassParams {
    /// The class.
    #[param(example = 1)]
    class_id: ClassId,
}

/// The routes, for a service whose state holds what they are answered from.
pub(super) fn routes<S>() -> OpenApiRouter<S>
where
    Reads: FromRef<S>,
    Objects: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new()
        .routes(routes!(get_races::get_races))
        .routes(routes!(leaderboard::leaderboard))
        .routes(routes!(history::history))
}
