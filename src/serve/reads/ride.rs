//! A ride that is running: what it has come to at each second.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{ClassId, Clock, RaceId, RacerId};

use super::Reads;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam};
use crate::serve::token;

/// A ride of a path: `/{classId}/{raceId}/rides/{racerId}`.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Path)]
pub(super) struct RidePath {
    /// The class.
    #[param(example = 1)]
    class_id: ClassId,
    /// The race within its class.
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
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// What a running ride has come to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ride {
    /// The event clock, in ms since the epoch, up to which all is included.
    as_of: Clock,
    class_id: ClassId,
    race_id: RaceId,
    racer_id: RacerId,
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    /// The best output at each second, from 1 to the one that the racer has reached; null where there is none.
    outputs: Vec<Option<f64>>,
}

/// What a racer's running ride has come to at each second: the curve to hold against the ghost's.
#[utoipa::path(
    get,
    path = "/v1/races/{classId}/{raceId}/rides/{racerId}",
    params(RidePath, RideParams),
    responses(
        (status = OK, body = Ride, description = "The ride so far."),
        (status = NOT_FOUND, body = ErrorBody, description = "The racer is not riding in this race."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn ride(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(path): PathParam<RidePath>,
    Params(RideParams { after }): Params<RideParams>,
) -> Result<Json<Ride>, ApiError> {
    let RidePath { class_id, race_id, racer_id } = path;
    grant.class(class_id)?;
    token::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, ride) = {
        let (as_of, live) = reads.engine.live();
        let key = (class_id, race_id, racer_id);
        let name = live.standing(key).map(|standing| standing.name.clone());
        (as_of, name.zip(live.curve(key).cloned()))
    };
    let (name, curve) = ride.ok_or_else(|| {
        let race = format!("race '{race_id}' of class '{class_id}'");
        ApiError::not_found(format!("racer '{racer_id}' is not riding in {race}"))
    })?;
    let name = match name {
        Some(name) => Some(name),
        None => reads.names([racer_id].into_iter()).await?.remove(&racer_id),
    };
    let outputs = (1..=curve.seconds()).map(|second| curve.get(second)).collect();
    Ok(Json(Ride { as_of, class_id, race_id, racer_id, name, outputs }))
}
