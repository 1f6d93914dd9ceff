//! `GET /v1/classes/{classId}/curve`: the best record of a class at each second.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, EventTime};

use super::cache::CachedQuery;
use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{PathParams, QueryParams};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ClassCurveParams {
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// The best records of a class.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClassCurve {
    /// The response includes everything up to this event clock, in ms since the epoch.
    as_of: EventTime,
    class_id: ClassId,
    /// The best record of any racer at each second, from 1 to the length of the race; null if there is
    /// none.
    outputs: Vec<Option<f64>>,
}

/// The best record of any racer of a class at each second, from all finished rides
///
/// A class without records has only nulls.
#[utoipa::path(
    get,
    path = "/v1/classes/{classId}/curve",
    params(("classId" = ClassId, Path, example = 1, description = "The class."), ClassCurveParams),
    responses(
        (status = OK, body = ClassCurve, description = "The records."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn class_curve(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(class_id): PathParams<ClassId>,
    QueryParams(params): QueryParams<ClassCurveParams>,
) -> Result<Json<ClassCurve>, ApiError> {
    permissions.require_class(class_id)?;
    visibility::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (as_of, answer) = reads.cache.query(CachedQuery::BestCurve(class_id)).await?;
    let Answer::BestCurve(best) = &*answer else { return Err(ApiError::internal()) };
    let outputs = (1..=reads.race_seconds()).map(|second| best.get(second)).collect();
    Ok(Json(ClassCurve { as_of, class_id, outputs }))
}
