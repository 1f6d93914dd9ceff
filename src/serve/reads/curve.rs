//! `GET /v1/racers/{racerId}/curve`: the records of a racer, to race against as a ghost.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, Query, RacerId};

use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{PathParams, QueryParams};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct CurveParams {
    /// The class.
    #[param(example = 1)]
    class_id: ClassId,
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// The records of a racer in a class.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Curve {
    racer_id: RacerId,
    class_id: ClassId,
    /// The record at each second, from 1 to the length of the race; null if there is none.
    outputs: Vec<Option<f64>>,
}

/// The record of a racer at each second, from all finished rides in a class
#[utoipa::path(
    get,
    path = "/v1/racers/{racerId}/curve",
    params(("racerId" = RacerId, Path, example = 5, description = "The racer."), CurveParams),
    responses(
        (status = OK, body = Curve, description = "The records."),
        (status = NOT_FOUND, body = ErrorBody, description = "The racer has no record in the class."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn curve(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(racer_id): PathParams<RacerId>,
    QueryParams(CurveParams { class_id, after }): QueryParams<CurveParams>,
) -> Result<Json<Curve>, ApiError> {
    permissions.require_class(class_id)?;
    visibility::wait_for(&reads.engine, after.as_deref()).await?;
    let (_, answer) = reads.engine.query(Query::Curve(class_id, racer_id)).await?;
    let Answer::Curve(record) = answer else { return Err(ApiError::internal()) };
    let record = record.ok_or_else(|| {
        ApiError::not_found(format!("racer '{racer_id}' has no record in class '{class_id}'"))
    })?;
    let outputs = (1..=reads.race_seconds()).map(|second| record.get(second)).collect();
    Ok(Json(Curve { racer_id, class_id, outputs }))
}
