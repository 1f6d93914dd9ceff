//! The best that a class has seen at each second.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, Clock};

use super::Reads;
use super::cache::Question;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam, internal};
use crate::serve::token;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ClassCurveParams {
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// The best records of a class.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClassCurve {
    /// The event clock, in ms since the epoch, up to which all is included.
    as_of: Clock,
    class_id: ClassId,
    /// The best record of any racer at each second of the race, from 1 to its length; null where there is
    /// none.
    outputs: Vec<Option<f64>>,
}

/// The best record of any racer at each second, over all races of a class that are over.
///
/// A class that nobody rode in has none.
#[utoipa::path(
    get,
    path = "/v1/classes/{classId}/curve",
    params(("classId" = ClassId, Path, example = 1, description = "The class."), ClassCurveParams),
    responses(
        (status = OK, body = ClassCurve, description = "The records."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn class_curve(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(class_id): PathParam<ClassId>,
    Params(params): Params<ClassCurveParams>,
) -> Result<Json<ClassCurve>, ApiError> {
    grant.class(class_id)?;
    token::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (as_of, answer) = reads.cache.ask(Question::Best(class_id)).await?;
    let Answer::Best(best) = &*answer else { return Err(internal()) };
    let outputs = (1..=reads.race_seconds()).map(|second| best.get(second)).collect();
    Ok(Json(ClassCurve { as_of, class_id, outputs }))
}
