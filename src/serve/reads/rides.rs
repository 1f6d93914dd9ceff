//! `GET /v1/racers/{racerId}/results`: the finished rides of a racer, each with its rank.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use hashbrown::HashMap;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, EventTime, Query, RaceId, RacerId, RideResult};

use super::ranking::around;
use super::results::{RankBy, ranked};
use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{PathParams, QueryParams, number_within};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

/// The maximum number of rides. It is lower than for other lists, because the complete race of each ride
/// is ranked.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(minimum = 1, maximum = 100, default = 20)]
pub(super) struct RidesLimit(u16);

impl Default for RidesLimit {
    fn default() -> Self {
        Self(20)
    }
}

impl<'de> Deserialize<'de> for RidesLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_within(deserializer, 1..=100).map(Self)
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct RidesParams {
    /// The class.
    #[param(example = 1)]
    class_id: ClassId,
    /// The maximum number of rides.
    #[param(inline)]
    limit: Option<RidesLimit>,
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// The newest finished rides of a racer in a class.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rides {
    /// The response includes everything up to this event clock, in ms since the epoch.
    as_of: EventTime,
    racer_id: RacerId,
    class_id: ClassId,
    /// Newest first.
    rows: Vec<RideRow>,
}

/// The result of a ride, and its rank in its race.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RideRow {
    race_id: RaceId,
    /// The event clock at the first event of the race, in ms since the epoch.
    started_at: EventTime,
    /// The rank by final output, from 1. Racers with equal outputs share the better rank. Null if the
    /// ride has no final event.
    rank: Option<u64>,
    /// The number of racers with a result in the race.
    racers: usize,
    /// The name of the racer in this race.
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    /// The output of the final event; null if the ride has none.
    r#final: Option<f64>,
    /// The greatest output of the ride.
    best: f64,
    /// The sum of the best output at each second.
    total: f64,
    /// The number of distinct seconds with an event.
    seconds: u16,
}

impl RideRow {
    /// The row of `racer` from all results of the race; `None` if the racer has no result.
    fn new(
        racer: RacerId,
        (race_id, started_at): (RaceId, EventTime),
        results: &[(RaceId, RacerId, Arc<RideResult>)],
    ) -> Option<Self> {
        let rides = ranked(results, RankBy::Final);
        let (rank, ride) = around(&rides, racer, 0).rows.pop()?;
        let result = &ride.result;
        Some(Self {
            race_id,
            started_at,
            rank: ride.value.map(|_| rank),
            racers: rides.len(),
            name: result.name.clone(),
            r#final: result.final_output.map(|output| output.0),
            best: result.best.0,
            total: result.total.0,
            seconds: result.seconds,
        })
    }
}

/// The newest finished rides of a racer, each with its rank in its race
///
/// The service retains results for seven days. A racer without finished rides has no rows.
#[utoipa::path(
    get,
    path = "/v1/racers/{racerId}/results",
    params(("racerId" = RacerId, Path, example = 5, description = "The racer."), RidesParams),
    responses(
        (status = OK, body = Rides, description = "The rides."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn rides(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(racer_id): PathParams<RacerId>,
    QueryParams(RidesParams { class_id, limit, after }): QueryParams<RidesParams>,
) -> Result<Json<Rides>, ApiError> {
    permissions.require_class(class_id)?;
    let limit = usize::from(limit.unwrap_or_default().0);
    visibility::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, finished) = {
        let (as_of, live) = reads.engine.live_state();
        (as_of, live.finished_races(class_id, racer_id, limit))
    };
    if finished.is_empty() {
        return Ok(Json(Rides { as_of, racer_id, class_id, rows: Vec::new() }));
    }
    // The live state may be a tick ahead of the time that queries are answered at.
    reads.engine.wait_complete(as_of).await?;
    let races = finished.iter().map(|(_, race)| *race).collect();
    let (_, answer) = reads.engine.query(Query::Results(class_id, races)).await?;
    let Answer::Results(results) = answer else { return Err(ApiError::internal()) };
    let by_race = results.chunk_by(|(a, ..), (b, ..)| a == b);
    let by_race = by_race.filter_map(|race| Some((race.first()?.0, race)));
    let by_race: HashMap<_, _> = by_race.collect();
    let row = |(started_at, race): &(EventTime, RaceId)| {
        RideRow::new(racer_id, (*race, *started_at), by_race.get(race)?)
    };
    let rows = finished.iter().filter_map(row).collect();
    Ok(Json(Rides { as_of, racer_id, class_id, rows }))
}
