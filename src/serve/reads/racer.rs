//! `GET /v1/racers/{racerId}`: the name and the classes of a racer.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, EventTime, Query, RacerId};

use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{PathParams, QueryParams};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RacerParams {
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// A racer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Racer {
    /// The response includes everything up to this event clock, in ms since the epoch.
    as_of: EventTime,
    racer_id: RacerId,
    /// The newest name of the racer in these classes; null if no ride there has one.
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    /// The classes with a record of the racer that the token permits, by id.
    classes: Vec<ClassId>,
}

/// The name of a racer, and the classes with a record of the racer
///
/// Every id is valid. A racer without records has no name and no classes.
#[utoipa::path(
    get,
    path = "/v1/racers/{racerId}",
    params(("racerId" = RacerId, Path, example = 5, description = "The racer."), RacerParams),
    responses(
        (status = OK, body = Racer, description = "The racer."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn racer(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(racer_id): PathParams<RacerId>,
    QueryParams(params): QueryParams<RacerParams>,
) -> Result<Json<Racer>, ApiError> {
    visibility::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (as_of, answer) = reads.engine.query(Query::Racer(racer_id)).await?;
    let Answer::Racer(mut classes) = answer else { return Err(ApiError::internal()) };
    classes.retain(|(class, _)| permissions.allows_class(*class));
    let (classes, names): (_, Vec<_>) = classes.into_iter().unzip();
    let name = names.into_iter().flatten().max().map(|name| name.text);
    Ok(Json(Racer { as_of, racer_id, name, classes }))
}
