//! A racer's record curve: the ghost to race against.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, Query, RacerId};

use super::Reads;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam, internal};
use crate::serve::token;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct CurveParams {
    /// The class.
    #[param(example = 1)]
    class_id: ClassId,
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// A racer's records in a class.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Curve {
    racer_id: RacerId,
    class_id: ClassId,
    /// The record at each second of the race, from 1 to its length; null where there is none.
    outputs: Vec<Option<f64>>,
}

/// A racer's record at each second, over all races of a class that are over.
#[utoipa::path(
    get,
    path = "/v1/racers/{racerId}/curve",
    params(("racerId" = RacerId, Path, example = 5, description = "The racer."), CurveParams),
    responses(
        (status = OK, body = Curve, description = "The records."),
        (status = NOT_FOUND, body = ErrorBody, description = "The racer has no record in the class."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn curve(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(racer_id): PathParam<RacerId>,
    Params(CurveParams { class_id, after }): Params<CurveParams>,
) -> Result<Json<Curve>, ApiError> {
    grant.class(class_id)?;
    token::wait_for(&reads.engine, after.as_deref()).await?;
    let (_, answer) = reads.engine.ask(Query::Curve(class_id, racer_id)).await?;
    let Answer::Curve(record) = answer else { return Err(internal()) };
    let record = record.ok_or_else(|| {
        ApiError::not_found(format!("racer '{racer_id}' has no record in class '{class_id}'"))
    })?;
    let outputs = (1..=reads.race_seconds()).map(|second| record.get(second)).collect();
    Ok(Json(Curve { racer_id, class_id, outputs }))
}
