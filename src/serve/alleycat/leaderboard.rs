//! The leaderboard of a class, as Alleycat's front end reads it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use velodrome_dataflows::{Answer, BestFinal, ClassId, Clock, RaceId, RacerId};

use super::ClassParams;
use crate::serve::error::ApiError;
use crate::serve::grant::Grant;
use crate::serve::query::{Params, internal};
use crate::serve::reads::Reads;
use crate::serve::reads::cache::Question;

/// How many racers are answered at most (CONTRACTS, section 5).
const RACERS_MAX: usize = 1000;

/// A racer's best final output, as an item of Alleycat's table.
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
    /// Where it was set.
    #[serde(rename = "raceId")]
    race_id: RaceId,
    /// The event clock when it was set, in ms since the epoch.
    ts: Clock,
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

/// The best final outputs of a class, descending: at most 1,000.
#[utoipa::path(
    get,
    path = "/leaderboard",
    params(ClassParams),
    responses((status = OK, body = Vec<BestItem>, description = "The racers."))
)]
pub(super) async fn leaderboard(
    State(reads): State<Reads>,
    grant: Grant,
    Params(ClassParams { class_id }): Params<ClassParams>,
) -> Result<Json<Vec<BestItem>>, ApiError> {
    grant.class(class_id)?;
    let (_, answer) = reads.cache.ask(Question::Leaderboard(class_id)).await?;
    let Answer::Leaderboard(rows) = &*answer else { return Err(internal()) };
    let items = rows.iter().take(RACERS_MAX).map(|row| BestItem::new(class_id, row));
    Ok(Json(items.collect()))
}

/// Half up to 4 decimals, as Alleycat's transformer rounds what it puts into the leaderboard.
fn rounded(output: f64) -> f64 {
    (output * 10_000.0 + 0.5).floor() / 10_000.0
}
