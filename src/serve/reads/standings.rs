//! The live board of a race.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{ClassId, Clock, RaceId, RacerId};

use super::params::{Limit, Selection, Window};
use super::races::{RacePath, RaceState};
use super::{Reads, cursor};
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam};
use crate::serve::token;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StandingsParams {
    /// How many rows at most.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the page before. Outputs change every second, so pages of a race that is running
    /// need not fit together.
    cursor: Option<String>,
    /// Instead of a page, the rows around this racer; none where the racer is not riding.
    around: Option<RacerId>,
    /// With `around`, how many rows before and behind it.
    #[param(inline)]
    window: Option<Window>,
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// How a race stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standings {
    /// The event clock, in ms since the epoch, up to which all is included.
    as_of: Clock,
    class_id: ClassId,
    race_id: RaceId,
    state: RaceState,
    /// How many racers are riding.
    racers: usize,
    /// Outputs descending, racers of equal ones ascending.
    rows: Vec<StandingsRow>,
    /// The cursor of the rows behind these, where there are more.
    next: Option<String>,
}

/// How a racer stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StandingsRow {
    /// From 1; racers with equal outputs share the better rank.
    rank: u64,
    racer_id: RacerId,
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    /// The output at the second that the racer has reached.
    output: f64,
    /// The second that the racer has reached.
    second: u16,
}

/// Each racer's output at the second that the racer has reached, as long as the racer's ride runs.
///
/// A race that is over has state `over` and no rows: its results tell how it ended.
#[utoipa::path(
    get,
    path = "/v1/races/{classId}/{raceId}/standings",
    params(RacePath, StandingsParams),
    responses(
        (status = OK, body = Standings, description = "The part of the standings."),
        (status = NOT_FOUND, body = ErrorBody, description = "No such race is known."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn standings(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(race): PathParam<RacePath>,
    Params(params): Params<StandingsParams>,
) -> Result<Json<Standings>, ApiError> {
    let RacePath { class_id, race_id } = race;
    grant.class(class_id)?;
    let StandingsParams { limit, cursor, around, window, after } = params;
    let list = format!("standings/{class_id}/{race_id}");
    let selection = Selection::new(&list, limit, cursor.as_deref(), around, window)?;
    token::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, all) = {
        let (as_of, live) = reads.engine.live();
        (as_of, live.standings(class_id, race_id))
    };
    let all = all.ok_or_else(|| race.not_found())?;
    let part = selection.of(&all);
    let nameless = part.rows.iter().filter(|(_, (_, standing))| standing.name.is_none());
    let mut names = reads.names(nameless.map(|(_, (racer, _))| *racer)).await?;
    let rows = part.rows.iter().map(|(rank, (racer, standing))| StandingsRow {
        rank: *rank,
        racer_id: *racer,
        name: standing.name.clone().or_else(|| names.remove(racer)),
        output: standing.output.0,
        second: standing.second,
    });
    Ok(Json(Standings {
        as_of,
        class_id,
        race_id,
        state: RaceState::new(!all.is_empty()),
        racers: all.len(),
        rows: rows.collect(),
        next: part.next.map(|last| cursor::encode(&list, &last)),
    }))
}
