//! The leaderboard of a class, in the format of Alleycat's front end.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use velodrome_dataflows::{Answer, BestFinal, ClassId, EventTime, RaceId, RacerId};

use super::params::ClassParams;
use crate::serve::error::ApiError;
use crate::serve::params::QueryParams;
use crate::serve::permissions::Permissions;
use crate::serve::reads::ReadState;
use crate::serve::reads::cache::CachedQuery;

/// The maximum number of racers in a response, as in Alleycat's own service.
const RACERS_MAX: usize = 1000;

/// The best final output of a racer, in the format of an item of Alleycat's table.
#[derive(Serialize, ToSchema)]
pub(super) struct BestItem {
    /// `class-<classId>`.
    #[serde(rename = "PK")]
    #[schema(example = "class-1")]
    pk: String,
    /// `racer-<racerId>`.
    #[serde(rename = "SK")]
    #[schema(example = "racer-103")]
    sk: String,
    /// The output, rounded to 4 decimals.
    #[serde(rename = "GSI")]
    gsi: f64,
    /// The race of that output.
    #[serde(rename = "raceId")]
    race_id: RaceId,
    /// The event clock at that output, in ms since the epoch.
    ts: EventTime,
}

impl BestItem {
    fn new(class: ClassId, (racer, best): &(RacerId, BestFinal)) -> Self {
        Self {
            pk: format!("class-{class}"),
            sk: format!("racer-{racer}"),
            gsi: rounded(best.output.0),
            race_id: best.race,
            ts: best.at,
        }
    }
}

/// The best final outputs of a class, in descending order; at most 1,000.
#[utoipa::path(
    get,
    path = "/leaderboard",
    params(ClassParams),
    responses((status = OK, body = Vec<BestItem>, description = "The racers."))
)]
pub(super) async fn leaderboard(
    State(reads): State<ReadState>,
    permissions: Permissions,
    QueryParams(ClassParams { class_id }): QueryParams<ClassParams>,
) -> Result<Json<Vec<BestItem>>, ApiError> {
    permissions.require_class(class_id)?;
    let (_, answer) = reads.cache.query(CachedQuery::Leaderboard(class_id)).await?;
    let Answer::Leaderboard(rows) = &*answer else { return Err(ApiError::internal()) };
    let items = rows.iter().take(RACERS_MAX).map(|row| BestItem::new(class_id, row));
    Ok(Json(items.collect()))
}

/// Rounds half up to 4 decimals, as Alleycat's transformer does for the leaderboard.
fn rounded(output: f64) -> f64 {
    (output * 10_000.0 + 0.5).floor() / 10_000.0
}
