//! `GET /v1/races`: the races, newest first.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{ClassId, EventTime, RaceId};

use super::cursor;
use super::page::{Limit, truncate_page};
use super::state::ReadState;
use crate::live_state::RaceSummary;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::QueryParams;
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

/// The parameters of a path with a race: `/{classId}/{raceId}`.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub(super) struct RacePath {
    /// The class.
    #[param(example = 1)]
    pub(super) class_id: ClassId,
    /// The race in this class.
    #[param(example = 5400800)]
    pub(super) race_id: RaceId,
}

impl RacePath {
    /// 404: the race has no rides and no results.
    pub(super) fn not_found(self) -> ApiError {
        let Self { class_id, race_id } = self;
        ApiError::not_found(format!("class '{class_id}' has no race '{race_id}'"))
    }
}

/// The state of a race.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) enum RaceState {
    /// A ride of the race is running.
    Running,
    /// All rides of the race are finished.
    Over,
}

impl RaceState {
    pub(super) fn new(is_running: bool) -> Self {
        if is_running { Self::Running } else { Self::Over }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct RacesParams {
    /// Only races of this class.
    #[param(example = 1)]
    class_id: Option<ClassId>,
    /// The maximum number of races.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the previous page.
    cursor: Option<String>,
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// A page of races.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Races {
    /// The response includes everything up to this event clock, in ms since the epoch.
    as_of: EventTime,
    /// Newest first. Races that started at the same time are sorted by class and race id, descending.
    rows: Vec<RaceRow>,
    /// The cursor of the next page; null on the last page.
    next: Option<String>,
}

/// A race.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct RaceRow {
    race_id: RaceId,
    class_id: ClassId,
    state: RaceState,
    /// The event clock at the first event of the race, in ms since the epoch.
    started_at: EventTime,
    /// The number of racers with a running or finished ride.
    racers: usize,
}

impl From<&RaceSummary> for RaceRow {
    fn from(race: &RaceSummary) -> Self {
        let RaceSummary { order: (started_at, class_id, race_id), is_running, racers } = *race;
        Self { race_id, class_id, state: RaceState::new(is_running), started_at, racers }
    }
}

/// The races that are running or have results, newest first
#[utoipa::path(
    get,
    path = "/v1/races",
    params(RacesParams),
    responses(
        (status = OK, body = Races, description = "The page."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn races(
    State(reads): State<ReadState>,
    permissions: Permissions,
    QueryParams(params): QueryParams<RacesParams>,
) -> Result<Json<Races>, ApiError> {
    let RacesParams { class_id, limit, cursor, after } = params;
    class_id.map_or_else(|| permissions.require_all(), |id| permissions.require_class(id))?;
    let list = class_id.map_or_else(|| "races".to_owned(), |class| format!("races/{class}"));
    let last = cursor::decode(&list, cursor.as_deref())?;
    let limit = limit.unwrap_or_default();
    visibility::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, mut races) = {
        let (as_of, live) = reads.engine.live_state();
        (as_of, live.races(class_id, last, limit.rows() + 1))
    };
    let next = truncate_page(&mut races, limit).map(|last| cursor::encode(&list, &last.order));
    Ok(Json(Races { as_of, rows: races.iter().map(RaceRow::from).collect(), next }))
}
