//! `GET /v1/races/{classId}/{raceId}/rides/{racerId}`: the curve of a running ride.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{ClassId, EventTime, RaceId, RacerId};

use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{PathParams, QueryParams};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

/// The parameters of a path with a ride: `/{classId}/{raceId}/rides/{racerId}`.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub(super) struct RidePath {
    /// The class.
    #[param(example = 1)]
    class_id: ClassId,
    /// The race in this class.
    #[param(example = 5400800)]
    race_id: RaceId,
    /// The racer.
    #[param(example = 5)]
    racer_id: RacerId,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RideParams {
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// A running ride.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ride {
    /// The response includes everything up to this event clock, in ms since the epoch.
    as_of: EventTime,
    class_id: ClassId,
    race_id: RaceId,
    racer_id: RacerId,
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    /// The best output at each second, from 1 to the latest second of the ride; null if there is none.
    outputs: Vec<Option<f64>>,
}

/// The output of a running ride at each second, to compare with the curve of a ghost
#[utoipa::path(
    get,
    path = "/v1/races/{classId}/{raceId}/rides/{racerId}",
    params(RidePath, RideParams),
    responses(
        (status = OK, body = Ride, description = "The ride so far."),
        (status = NOT_FOUND, body = ErrorBody, description = "The racer has no running ride in this race."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn ride(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(path): PathParams<RidePath>,
    QueryParams(RideParams { after }): QueryParams<RideParams>,
) -> Result<Json<Ride>, ApiError> {
    let RidePath { class_id, race_id, racer_id } = path;
    permissions.require_class(class_id)?;
    visibility::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, ride) = {
        let (as_of, live) = reads.engine.live_state();
        let key = (class_id, race_id, racer_id);
        let name = live.standing(key).map(|standing| standing.name.clone());
        (as_of, name.zip(live.curve(key).cloned()))
    };
    let (name, curve) = ride.ok_or_else(|| {
        ApiError::not_found(format!(
            "racer '{racer_id}' has no running ride in race '{race_id}' of class '{class_id}'"
        ))
    })?;
    let name = match name {
        Some(name) => Some(name),
        None => reads.names(class_id, [racer_id].into_iter()).await?.remove(&racer_id),
    };
    let outputs = (1..=curve.seconds()).map(|second| curve.get(second)).collect();
    Ok(Json(Ride { as_of, class_id, race_id, racer_id, name, outputs }))
}
