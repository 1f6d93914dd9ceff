//! `GET /v1/races/{classId}/{raceId}/standings`: the racers of a running race, ranked.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{ClassId, EventTime, RaceId, RacerId};

use super::cursor;
use super::page::{Limit, Selection, Window};
use super::races::{RacePath, RaceState};
use super::ranking::Position;
use super::state::ReadState;
use crate::live_state::StandingsPart;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{PathParams, QueryParams};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StandingsParams {
    /// The maximum number of rows.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the previous page. Outputs change every second, so a racer can be on two pages or
    /// on none.
    cursor: Option<String>,
    /// Selects the rows around this racer instead of a page; no rows if the racer is not riding.
    around: Option<RacerId>,
    /// With `around`, the number of rows before and after the racer.
    #[param(inline)]
    window: Option<Window>,
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// A page of the standings, or the rows around a racer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standings {
    /// The response includes everything up to this event clock, in ms since the epoch.
    as_of: EventTime,
    class_id: ClassId,
    race_id: RaceId,
    state: RaceState,
    /// The number of racers who are riding.
    racers: usize,
    /// Sorted by output, descending, then by racer id.
    rows: Vec<StandingsRow>,
    /// The cursor of the next page; null on the last page.
    next: Option<String>,
}

/// A racer in a running race.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StandingsRow {
    /// The rank, from 1. Racers with equal outputs share the better rank.
    rank: u64,
    racer_id: RacerId,
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    /// The output at the latest second of the racer.
    output: f64,
    /// The latest second of the racer.
    second: u16,
}

/// The racers of a running race, ranked by the output at their latest second
///
/// A race that is over has the state `over` and no rows; read its results instead.
#[utoipa::path(
    get,
    path = "/v1/races/{classId}/{raceId}/standings",
    params(RacePath, StandingsParams),
    responses(
        (status = OK, body = Standings, description = "The rows."),
        (status = NOT_FOUND, body = ErrorBody, description = "The race is unknown."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn standings(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(race): PathParams<RacePath>,
    QueryParams(params): QueryParams<StandingsParams>,
) -> Result<Json<Standings>, ApiError> {
    let RacePath { class_id, race_id } = race;
    permissions.require_class(class_id)?;
    let StandingsParams { limit, cursor, around, window, after } = params;
    let list = format!("standings/{class_id}/{race_id}");
    let selection = Selection::new(&list, limit, cursor.as_deref(), around, window)?;
    visibility::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, part) = {
        let (as_of, live) = reads.engine.live_state();
        (as_of, live.standings_part((class_id, race_id), selection.of_standings()))
    };
    let StandingsPart { racers, rows, has_more } = part.ok_or_else(|| race.not_found())?;
    let last = rows.last().filter(|_| has_more);
    let last = last.map(|(_, racer, standing)| Position::new(Some(standing.output), *racer));
    let nameless = rows.iter().filter(|(.., standing)| standing.name.is_none());
    let mut names = reads.names(class_id, nameless.map(|(_, racer, _)| *racer)).await?;
    let rows = rows.into_iter().map(|(rank, racer_id, standing)| StandingsRow {
        rank,
        racer_id,
        name: standing.name.or_else(|| names.remove(&racer_id)),
        output: standing.output.0,
        second: standing.second,
    });
    Ok(Json(Standings {
        as_of,
        class_id,
        race_id,
        state: RaceState::new(racers > 0),
        racers,
        rows: rows.collect(),
        next: last.map(|last| cursor::encode(&list, &last)),
    }))
}
