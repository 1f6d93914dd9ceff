//! The races of a class that are over, each with what its riders came to.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use velodrome_dataflows::{Answer, ClassId, Clock, Query, RaceId, RacerId, RideResult};

use super::ClassParams;
use crate::feeds::{RaceSummary, State as Live};
use crate::serve::error::ApiError;
use crate::serve::grant::Grant;
use crate::serve::query::{Params, internal};
use crate::serve::reads::Reads;

/// How many races are answered at most (CONTRACTS, section 5).
const RACES_MAX: usize = 100;

/// A race, as an item of Alleycat's table.
#[derive(Serialize, ToSchema)]
pub(super) struct RaceItem {
    /// `race-<raceId>`.
    #[serde(rename = "PK")]
    #[schema(example = "race-5400800")]
    pk: String,
    /// `results`.
    #[serde(rename = "SK")]
    sk: &'static str,
    /// The class.
    #[serde(rename = "GSI")]
    gsi: ClassId,
    /// JSON of its own: the final output of each rider that has one, by racer.
    #[schema(example = r#"{"103":161.59953333333334}"#)]
    results: String,
    /// The event clock at its first event, in ms since the epoch.
    ts: Clock,
}

/// Final outputs by racer, as a JSON object.
struct Finals<'a>(&'a [(RaceId, RacerId, Arc<RideResult>)]);

impl Serialize for Finals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let finals = self.0.iter();
        serializer.collect_map(
            finals.filter_map(|(_, racer, result)| Some((racer, result.final_output?.0))),
        )
    }
}

/// The newest 100 races of a class that are over, newest last.
///
/// Results are kept for seven days.
#[utoipa::path(
    get,
    path = "/getRaces",
    params(ClassParams),
    responses((status = OK, body = Vec<RaceItem>, description = "The races."))
)]
pub(super) async fn get_races(
    State(reads): State<Reads>,
    grant: Grant,
    Params(ClassParams { class_id }): Params<ClassParams>,
) -> Result<Json<Vec<RaceItem>>, ApiError> {
    grant.class(class_id)?;
    let (listed_at, races) = {
        let (time, live) = reads.engine.live();
        (time, over(&live, class_id))
    };
    // The list may be a tick ahead of what queries are answered from.
    reads.engine.reached(listed_at).await?;
    let ids = races.iter().map(|race| race.order.2).collect();
    let (_, answer) = reads.engine.ask(Query::Results(class_id, ids)).await?;
    let Answer::Results(rows) = answer else { return Err(internal()) };
    let items = races.iter().rev().map(|race| {
        let (began, _, id) = race.order;
        let from = rows.partition_point(|(of, ..)| *of < id);
        let to = rows.partition_point(|(of, ..)| *of <= id);
        let results = serde_json::to_string(&Finals(rows.get(from..to).unwrap_or_default()));
        let results = results.map_err(|_| internal())?;
        Ok(RaceItem { pk: format!("race-{id}"), sk: "results", gsi: class_id, results, ts: began })
    });
    items.collect::<Result<_, _>>().map(Json)
}

/// The newest races of a class that are over, newest first.
fn over(live: &Live, class: ClassId) -> Vec<RaceSummary> {
    let (mut over, mut behind) = (Vec::new(), None);
    loop {
        let some = live.races(Some(class), behind, RACES_MAX);
        behind = some.last().map(|race| race.order);
        over.extend(some.into_iter().filter(|race| !race.is_running));
        if behind.is_none() || over.len() >= RACES_MAX {
            over.truncate(RACES_MAX);
            return over;
        }
    }
}
