//! The read API: boards, leaderboards, curves, races, results and view counts.
//!
//! Each call has a file with its handler and its JSON. Every call takes `after`. A path that names
//! something unknown returns 404, except that a class without records has empty boards.

mod board;
pub(super) mod cache;
mod class_curve;
mod classes;
mod cursor;
mod curve;
#[cfg(test)]
pub(super) mod fake_engine;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod leaderboard;
mod page;
mod projects;
mod racer;
mod races;
mod ranking;
mod results;
mod ride;
mod rides;
mod standings;
mod state;
#[cfg(test)]
mod tests;

pub(in crate::serve) use self::board::BoardRow;
pub(in crate::serve) use self::projects::Project;
pub(in crate::serve) use self::races::RaceRow;
pub use self::state::ReadState;

use axum::extract::FromRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes, for a router whose state contains a [`ReadState`].
pub fn routes<S>() -> OpenApiRouter<S>
where
    ReadState: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new()
        .routes(routes!(classes::classes))
        .routes(routes!(board::board))
        .routes(routes!(leaderboard::leaderboard))
        .routes(routes!(class_curve::class_curve))
        .routes(routes!(curve::curve))
        .routes(routes!(racer::racer))
        .routes(routes!(rides::rides))
        .routes(routes!(races::races))
        .routes(routes!(standings::standings))
        .routes(routes!(ride::ride))
        .routes(routes!(results::results))
        .routes(routes!(projects::project))
        .routes(routes!(projects::projects))
}
