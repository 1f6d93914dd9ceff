//! The finished races of a class, each with the final outputs of its racers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use velodrome_dataflows::{Answer, ClassId, EventTime, Query, RaceId, RacerId, RideResult};

use super::params::ClassParams;
use crate::live_state::{LiveTables, RaceSummary};
use crate::serve::error::ApiError;
use crate::serve::params::QueryParams;
use crate::serve::permissions::Permissions;
use crate::serve::reads::ReadState;

/// The maximum number of races in a response, as in Alleycat's own service.
const RACES_MAX: usize = 100;

/// A race, in the format of an item of Alleycat's table.
#[derive(Serialize, ToSchema)]
pub(super) struct RaceItem {
    /// `race-<raceId>`.
    #[serde(rename = "PK")]
    #[schema(example = "race-5400800")]
    pk: String,
    /// `results`.
    #[serde(rename = "SK")]
    sk: &'static str,
    /// The class's id.
    #[serde(rename = "GSI")]
    gsi: ClassId,
    /// A JSON object in a string: the final output of each racer that has one, by racer id.
    #[schema(example = r#"{"103":161.59953333333334}"#)]
    results: String,
    /// The event clock at the first event of the race, in ms since the epoch.
    ts: EventTime,
}

/// Serializes as a JSON object with the final output of each racer.
struct Finals<'a>(&'a [(RaceId, RacerId, Arc<RideResult>)]);

impl Serialize for Finals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let finals = self.0.iter();
        serializer.collect_map(
            finals.filter_map(|(_, racer, result)| Some((racer, result.final_output?.0))),
        )
    }
}

/// The newest 100 finished races of a class, newest last.
///
/// Results are retained for seven days.
#[utoipa::path(
    get,
    path = "/getRaces",
    params(ClassParams),
    responses((status = OK, body = Vec<RaceItem>, description = "The races."))
)]
pub(super) async fn get_races(
    State(reads): State<ReadState>,
    permissions: Permissions,
    QueryParams(ClassParams { class_id }): QueryParams<ClassParams>,
) -> Result<Json<Vec<RaceItem>>, ApiError> {
    permissions.require_class(class_id)?;
    let (listed_at, races) = {
        let (time, live) = reads.engine.live_state();
        (time, finished_races(&live, class_id))
    };
    // The live state may be a tick ahead of the time that queries are answered at.
    reads.engine.wait_complete(listed_at).await?;
    let ids = races.iter().map(|race| race.order.2).collect();
    let (_, answer) = reads.engine.query(Query::Results(class_id, ids)).await?;
    let Answer::Results(rows) = answer else { return Err(ApiError::internal()) };
    let items = races.iter().rev().map(|race| {
        let (started_at, _, id) = race.order;
        let from = rows.partition_point(|(of, ..)| *of < id);
        let to = rows.partition_point(|(of, ..)| *of <= id);
        let results = serde_json::to_string(&Finals(rows.get(from..to).unwrap_or_default()));
        let results = results.map_err(|_| ApiError::internal())?;
        Ok(RaceItem {
            pk: format!("race-{id}"),
            sk: "results",
            gsi: class_id,
            results,
            ts: started_at,
        })
    });
    items.collect::<Result<_, _>>().map(Json)
}

/// The newest finished races of a class, newest first.
fn finished_races(live: &LiveTables, class: ClassId) -> Vec<RaceSummary> {
    let (mut finished, mut after) = (Vec::new(), None);
    loop {
        let page = live.races(Some(class), after, RACES_MAX);
        after = page.last().map(|race| race.order);
        finished.extend(page.into_iter().filter(|race| !race.is_running));
        if after.is_none() || finished.len() >= RACES_MAX {
            finished.truncate(RACES_MAX);
            return finished;
        }
    }
}
