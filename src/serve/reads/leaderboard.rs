//! `GET /v1/classes/{classId}/leaderboard`: the best final outputs of a class, ranked.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, EventTime, RaceId, RacerId};

use super::cache::CachedQuery;
use super::cursor;
use super::page::{Limit, Selection};
use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{PathParams, QueryParams};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LeaderboardParams {
    /// The maximum number of rows.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the previous page.
    cursor: Option<String>,
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// A page of a leaderboard.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Leaderboard {
    /// The response includes everything up to this event clock, in ms since the epoch.
    as_of: EventTime,
    class_id: ClassId,
    /// The number of racers on the complete leaderboard.
    racers: usize,
    /// Sorted by output, descending, then by racer id.
    rows: Vec<LeaderboardRow>,
    /// The cursor of the next page; null on the last page.
    next: Option<String>,
}

/// The best final output of a racer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaderboardRow {
    /// The rank, from 1. Racers with equal outputs share the better rank.
    rank: u64,
    racer_id: RacerId,
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    output: f64,
    /// The race of this output.
    race_id: RaceId,
}

/// The best final outputs of a class
///
/// A class without final outputs has an empty leaderboard.
#[utoipa::path(
    get,
    path = "/v1/classes/{classId}/leaderboard",
    params(("classId" = ClassId, Path, example = 1, description = "The class."), LeaderboardParams),
    responses(
        (status = OK, body = Leaderboard, description = "The page."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn leaderboard(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(class_id): PathParams<ClassId>,
    QueryParams(params): QueryParams<LeaderboardParams>,
) -> Result<Json<Leaderboard>, ApiError> {
    permissions.require_class(class_id)?;
    let list = format!("leaderboard/{class_id}");
    let selection = Selection::page(&list, params.limit, params.cursor.as_deref())?;
    visibility::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (as_of, answer) = reads.cache.query(CachedQuery::Leaderboard(class_id)).await?;
    let Answer::Leaderboard(all) = &*answer else { return Err(ApiError::internal()) };
    let part = selection.select(all);
    let mut names = reads.names(class_id, part.rows.iter().map(|(_, (racer, _))| *racer)).await?;
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
