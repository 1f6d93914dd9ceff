//! Who a racer is.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, Clock, Query, RacerId};

use super::Reads;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam, internal};
use crate::serve::token;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RacerParams {
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// What is known of a racer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Racer {
    /// The event clock, in ms since the epoch, up to which all is included.
    as_of: Clock,
    racer_id: RacerId,
    /// The newest name; null where none of the classes tells one.
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    /// The classes with a record, ascending: those that the token is for.
    classes: Vec<ClassId>,
}

/// A racer's name, and the classes that the racer has a record in.
///
/// Every number is a racer's; one who never rode has no name and no class.
#[utoipa::path(
    get,
    path = "/v1/racers/{racerId}",
    params(("racerId" = RacerId, Path, example = 5, description = "The racer."), RacerParams),
    responses(
        (status = OK, body = Racer, description = "What is known."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn racer(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(racer_id): PathParam<RacerId>,
    Params(params): Params<RacerParams>,
) -> Result<Json<Racer>, ApiError> {
    token::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (as_of, answer) = reads.engine.ask(Query::Racer(racer_id)).await?;
    let Answer::Racer(name, mut classes) = answer else { return Err(internal()) };
    classes.retain(|class| grant.has_class(*class));
    let name = name.filter(|_| !classes.is_empty());
    Ok(Json(Racer { as_of, racer_id, name, classes }))
}
