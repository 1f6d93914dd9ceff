//! Which classes there are.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, RaceId};

use super::Reads;
use super::cache::Question;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, internal};
use crate::serve::token;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ClassesParams {
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// A class.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClassRow {
    class_id: ClassId,
    /// Distinct seconds and racers with a record.
    records: u64,
    /// Racers with a record.
    racers: u64,
    /// The newest race that is running.
    running_race_id: Option<RaceId>,
}

/// The classes that have a record or a running race, ascending.
#[utoipa::path(
    get,
    path = "/v1/classes",
    params(ClassesParams),
    responses(
        (status = OK, body = Vec<ClassRow>, description = "The classes."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn classes(
    State(reads): State<Reads>,
    grant: Grant,
    Params(params): Params<ClassesParams>,
) -> Result<Json<Vec<ClassRow>>, ApiError> {
    grant.whole()?;
    token::wait_for(&reads.engine, params.after.as_deref()).await?;
    let (_, answer) = reads.cache.ask(Question::Classes).await?;
    let Answer::Classes(sizes) = &*answer else { return Err(internal()) };
    let mut classes: BTreeMap<ClassId, ClassRow> = BTreeMap::new();
    for (class, size) in sizes {
        let row = classes.entry(*class).or_default();
        (row.records, row.racers) = (size.records, size.racers);
    }
    let running = reads.engine.live().1.running_by_class();
    for (class, race) in running {
        classes.entry(class).or_default().running_race_id = Some(race);
    }
    let rows = classes.into_iter().map(|(class_id, row)| ClassRow { class_id, ..row });
    Ok(Json(rows.collect()))
}
