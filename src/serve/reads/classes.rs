//! `GET /v1/classes`: the classes.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, RaceId};

use super::cache::CachedQuery;
use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::QueryParams;
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ClassesParams {
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// A class.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClassRow {
    class_id: ClassId,
    /// The number of records: pairs of a racer and a second.
    records: u64,
    /// The number of racers with a record.
    racers: u64,
    /// The newest running race; null if none is running.
    running_race_id: Option<RaceId>,
}

/// The classes that have a record or a running race, by id
#[utoipa::path(
    get,
    path = "/v1/classes",
    params(ClassesParams),
    responses(
        (status = OK, body = Vec<ClassRow>, description = "The classes."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn classes(
    State(reads): State<ReadState>,
    permissions: Permissions,
    QueryParams(params): QueryParams<ClassesParams>,
) -> Result<Json<Vec<ClassRow>>, ApiError> {
    permissions.require_all()?;
    visibility::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (_, answer) = reads.cache.query(CachedQuery::Classes).await?;
    let Answer::Classes(sizes) = &*answer else { return Err(ApiError::internal()) };
    let mut classes: BTreeMap<ClassId, ClassRow> = BTreeMap::new();
    for (class, size) in sizes {
        let row = classes.entry(*class).or_default();
        (row.records, row.racers) = (size.records, size.racers);
    }
    let running = reads.engine.live_state().1.running_races();
    for (class, race) in running {
        classes.entry(class).or_default().running_race_id = Some(race);
    }
    let rows = classes.into_iter().map(|(class_id, row)| ClassRow { class_id, ..row });
    Ok(Json(rows.collect()))
}
