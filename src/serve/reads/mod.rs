//! The read API: boards, leaderboards, curves, races, results and view counts (CONTRACTS, section 4).
//!
//! A file a call, with the JSON that it answers. Every call takes `after`. What a path names and is
//! not there is a 404; a board of a class that nobody rode in is an empty board.

mod board;
pub(super) mod cache;
mod class_curve;
mod classes;
mod cursor;
mod curve;
mod leaderboard;
mod params;
mod projects;
mod racer;
mod races;
mod ranking;
mod results;
mod ride;
mod rides;
mod standings;
#[cfg(test)]
pub(super) mod stub;
#[cfg(test)]
mod tests;

pub(in crate::serve) use board::BoardRow;
pub(in crate::serve) use projects::Project;
pub(in crate::serve) use races::RaceRow;

use axum::extract::FromRef;
use compact_str::CompactString;
use hashbrown::HashMap;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use velodrome_dataflows::{Answer, RacerId};

use super::error::ApiError;
use super::query::internal;
use crate::engine::Engine;
use cache::{Cache, Question};

/// What the reads are answered from.
#[derive(Clone, Debug)]
pub struct Reads {
    pub(super) engine: Engine,
    pub(super) cache: Cache,
}

impl Reads {
    /// Answers from `engine`.
    pub fn new(engine: Engine) -> Self {
        Self { cache: Cache::new(engine.clone()), engine }
    }

    /// Boards and curves have so many seconds.
    fn race_seconds(&self) -> u16 {
        self.engine.rules().rules().race_seconds
    }

    /// The names of those of `racers` that have one.
    ///
    /// # Errors
    /// An engine that is over its bound, or stopping.
    pub(in crate::serve) async fn names(
        &self,
        racers: impl Iterator<Item = RacerId>,
    ) -> Result<HashMap<RacerId, CompactString>, ApiError> {
        let racers: Vec<_> = racers.collect();
        if racers.is_empty() {
            return Ok(HashMap::new());
        }
        let (_, answer) = self.cache.ask(Question::Names(racers)).await?;
        let Answer::Names(names) = &*answer else { return Err(internal()) };
        Ok(names.iter().cloned().collect())
    }
}

/// The routes, for a service whose state holds a [`Reads`].
pub fn routes<S>() -> OpenApiRouter<S>
where
    Reads: FromRef<S>,
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
