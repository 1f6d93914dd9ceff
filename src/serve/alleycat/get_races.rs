//! The finished races of a class, each with the final outputs of its racers.

use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use velodrome_dataflows::{Answer, ClassId, EventTime, Query, RaceId, RacerId, RideResult};

use super::params::ClassParams;
use crate::live_state::{LiveTables, RaceSummary};
use crate::serve::answers::RenderingKey;
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
struct Finals<'a>(&'a [ResultsRow]);

type ResultsRow = (RaceId, RacerId, Arc<RideResult>);

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
) -> Result<Response, ApiError> {
    permissions.require_class(class_id)?;
    let version = reads.engine.live_state().1.races_version(class_id);
    let prepare = || prepare(&reads, class_id);
    let rendering = reads.renderings.get(RenderingKey::Races(class_id), version, prepare).await?;
    Ok(rendering.response("application/json"))
}

/// The version of the races of a class, and a function that renders them.
async fn prepare(
    reads: &ReadState,
    class: ClassId,
) -> Result<(EventTime, impl FnOnce(&mut dyn Write) -> io::Result<()> + use<>), ApiError> {
    let (listed_at, version, races) = {
        let (time, live) = reads.engine.live_state();
        (time, live.races_version(class), finished_races(&live, class))
    };
    // The live state may be a tick ahead of the time that queries are answered at.
    reads.engine.wait_complete(listed_at).await?;
    let ids = races.iter().map(|race| race.order.2).collect();
    let (_, answer) = reads.engine.query(Query::Results(class, ids)).await?;
    let Answer::Results(rows) = answer else { return Err(ApiError::internal()) };
    let render = move |out: &mut dyn Write| {
        let mut serializer = serde_json::Serializer::new(out);
        let mut items = serializer.serialize_seq(Some(races.len()))?;
        for race in races.iter().rev() {
            items.serialize_element(&RaceItem::new(class, race, &rows)?)?;
        }
        SerializeSeq::end(items).map_err(io::Error::from)
    };
    Ok((version, render))
}

impl RaceItem {
    /// The item of a race. `rows` are the results of several races, by race.
    fn new(class: ClassId, race: &RaceSummary, rows: &[ResultsRow]) -> serde_json::Result<Self> {
        let (started_at, _, id) = race.order;
        let from = rows.partition_point(|(of, ..)| *of < id);
        let to = rows.partition_point(|(of, ..)| *of <= id);
        let results = serde_json::to_string(&Finals(rows.get(from..to).unwrap_or_default()))?;
        Ok(Self { pk: format!("race-{id}"), sk: "results", gsi: class, results, ts: started_at })
    }
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
