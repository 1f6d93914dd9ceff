//! The leaderboard of a class: the best final outputs, ranked.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, Clock, RaceId, RacerId};

use super::cache::Question;
use super::params::{Limit, Selection};
use super::{Reads, cursor};
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam, internal};
use crate::serve::token;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LeaderboardParams {
    /// How many rows at most.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// A part of a leaderboard.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Leaderboard {
    /// The event clock, in ms since the epoch, up to which all is included.
    as_of: Clock,
    class_id: ClassId,
    /// How many racers the whole leaderboard has.
    racers: usize,
    /// Outputs descending, racers of equal ones ascending.
    rows: Vec<LeaderboardRow>,
    /// The cursor of the rows behind these, where there are more.
    next: Option<String>,
}

/// A racer's best final output.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaderboardRow {
    /// From 1; racers with equal outputs share the better rank.
    rank: u64,
    racer_id: RacerId,
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    output: f64,
    /// Where it was set.
    race_id: RaceId,
}

/// The best final outputs of a class.
///
/// A class that nobody finished in has an empty leaderboard.
#[utoipa::path(
    get,
    path = "/v1/classes/{classId}/leaderboard",
    params(("classId" = ClassId, Path, example = 1, description = "The class."), LeaderboardParams),
    responses(
        (status = OK, body = Leaderboard, description = "The page."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn leaderboard(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(class_id): PathParam<ClassId>,
    Params(params): Params<LeaderboardParams>,
) -> Result<Json<Leaderboard>, ApiError> {
    grant.class(class_id)?;
    let list = format!("leaderboard/{class_id}");
    let selection = Selection::page(&list, params.limit, params.cursor.as_deref())?;
    token::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (as_of, answer) = reads.cache.ask(Question::Leaderboard(class_id)).await?;
    let Answer::Leaderboard(all) = &*answer else { return Err(internal()) };
    let part = selection.of(all);
    let mut names = reads.names(part.rows.iter().map(|(_, (racer, _))| *racer)).await?;
    let rows = part.rows.iter().map(|(rank, (racer, best))| LeaderboardRow {
        rank: *rank,
        racer_id: *racer,
        name: names.remove(racer),
        output: best.output.0,
        race_id: best.race,
    });
    Ok(Json(Leaderboard {
        as_of,
        class_id,
        racers: all.len(),
        rows: rows.collect(),
        next: part.next.map(|last| cursor::encode(&list, &last)),
    }))
}
