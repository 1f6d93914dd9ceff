//! The races, newest first.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{ClassId, Clock, RaceId};

use super::params::{Limit, cut};
use super::{Reads, cursor};
use crate::feeds::RaceSummary;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::Params;
use crate::serve::token;

/// A race of a path: `/{classId}/{raceId}`.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub(super) struct RacePath {
    /// The class.
    #[param(example = 1)]
    pub(super) class_id: ClassId,
    /// The race within its class.
    #[param(example = 5400800)]
    pub(super) race_id: RaceId,
}

impl RacePath {
    /// 404: neither a ride nor a result of the race is known.
    pub(super) fn not_found(self) -> ApiError {
        let Self { class_id, race_id } = self;
        ApiError::not_found(format!("class '{class_id}' has no race '{race_id}'"))
    }
}

/// Whether a race is running.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) enum RaceState {
    /// A ride of it is running.
    Running,
    /// All its rides are over.
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
    /// How many races at most.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// A page of races.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Races {
    /// The event clock, in ms since the epoch, up to which all is included.
    as_of: Clock,
    /// Newest first; races that began at once, by class and race descending.
    rows: Vec<RaceRow>,
    /// The cursor of the races behind these, where there are more.
    next: Option<String>,
}

/// A race.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct RaceRow {
    race_id: RaceId,
    class_id: ClassId,
    state: RaceState,
    /// The event clock at its first event, in ms since the epoch.
    started_at: Clock,
    /// Its racers, whose ride is running or over.
    racers: usize,
}

impl From<&RaceSummary> for RaceRow {
    fn from(race: &RaceSummary) -> Self {
        let RaceSummary { order: (started_at, class_id, race_id), is_running, racers } = *race;
        Self { race_id, class_id, state: RaceState::new(is_running), started_at, racers }
    }
}

/// The races that are running or have results, newest first.
#[utoipa::path(
    get,
    path = "/v1/races",
    params(RacesParams),
    responses(
        (status = OK, body = Races, description = "The page."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn races(
    State(reads): State<Reads>,
    grant: Grant,
    Params(params): Params<RacesParams>,
) -> Result<Json<Races>, ApiError> {
    let RacesParams { class_id, limit, cursor, after } = params;
    class_id.map_or_else(|| grant.whole(), |class| grant.class(class))?;
    let list = class_id.map_or_else(|| "races".to_owned(), |class| format!("races/{class}"));
    let behind = cursor::decode(&list, cursor.as_deref())?;
    let limit = limit.unwrap_or_default();
    token::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, mut races) = {
        let (as_of, live) = reads.engine.live();
        (as_of, live.races(class_id, behind, limit.rows() + 1))
    };
    let next = cut(&mut races, limit).map(|last| cursor::encode(&list, &last.order));
    Ok(Json(Races { as_of, rows: races.iter().map(RaceRow::from).collect(), next }))
}
