//! `GET /v1/races/{classId}/{raceId}/results`: the results of a race, ranked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, EventTime, Output, Query, RaceId, RacerId, RideResult};

use super::cursor;
use super::page::{Limit, Selection};
use super::races::{RacePath, RaceState};
use super::ranking::Ranked;
use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{PathParams, QueryParams};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

/// The output that results are ranked by.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum RankBy {
    /// The output of the final event.
    #[default]
    Final,
    /// The greatest output of the ride.
    Best,
    /// The sum of the best output at each second.
    Total,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ResultsParams {
    /// The output to rank by.
    #[serde(default)]
    by: RankBy,
    /// The maximum number of rows.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the previous page.
    cursor: Option<String>,
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// A page of the results of a race.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Results {
    /// The response includes everything up to this event clock, in ms since the epoch.
    as_of: EventTime,
    class_id: ClassId,
    race_id: RaceId,
    /// While the race is running, only the rides that are finished have results.
    state: RaceState,
    by: RankBy,
    /// The number of racers with a result.
    racers: usize,
    /// Sorted by the output, descending, then by racer id. Rides without the output come last.
    rows: Vec<ResultRow>,
    /// The cursor of the next page; null on the last page.
    next: Option<String>,
}

/// The result of a ride.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResultRow {
    /// The rank, from 1. Racers with equal outputs share the better rank. If the results are ranked by
    /// `final`, it is null for a ride without a final event.
    rank: Option<u64>,
    racer_id: RacerId,
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

/// The result of a ride, and the output that it is ranked by.
pub(super) struct Ride {
    racer: RacerId,
    pub(super) value: Option<Output>,
    pub(super) result: Arc<RideResult>,
}

impl Ranked for Ride {
    fn value(&self) -> Option<Output> {
        self.value
    }

    fn racer(&self) -> RacerId {
        self.racer
    }
}

impl RankBy {
    fn value(self, result: &RideResult) -> Option<Output> {
        match self {
            Self::Final => result.final_output,
            Self::Best => Some(result.best),
            Self::Total => Some(result.total),
        }
    }
}

/// The results of one race, sorted by rank.
pub(super) fn ranked(results: &[(RaceId, RacerId, Arc<RideResult>)], by: RankBy) -> Vec<Ride> {
    let ride = |(_, racer, result): &(RaceId, RacerId, Arc<RideResult>)| Ride {
        racer: *racer,
        value: by.value(result),
        result: Arc::clone(result),
    };
    let mut rides: Vec<_> = results.iter().map(ride).collect();
    rides.sort_unstable_by_key(Ranked::position);
    rides
}

/// The results of the finished rides of a race
///
/// The service retains results for seven days.
#[utoipa::path(
    get,
    path = "/v1/races/{classId}/{raceId}/results",
    params(RacePath, ResultsParams),
    responses(
        (status = OK, body = Results, description = "The page."),
        (status = NOT_FOUND, body = ErrorBody, description = "The race is unknown."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn results(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(race): PathParams<RacePath>,
    QueryParams(params): QueryParams<ResultsParams>,
) -> Result<Json<Results>, ApiError> {
    let RacePath { class_id, race_id } = race;
    permissions.require_class(class_id)?;
    let ResultsParams { by, limit, cursor, after } = params;
    let list = format!("results/{class_id}/{race_id}/{by:?}");
    let selection = Selection::page(&list, limit, cursor.as_deref())?;
    visibility::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, answer) = reads.engine.query(Query::Results(class_id, vec![race_id])).await?;
    let Answer::Results(results) = answer else { return Err(ApiError::internal()) };
    let known = reads.engine.live_state().1.race(class_id, race_id);
    if known.is_none() && results.is_empty() {
        return Err(race.not_found());
    }
    let all = ranked(&results, by);
    let part = selection.select(&all);
    let rows = part.rows.iter().map(|(rank, ride)| ResultRow {
        rank: ride.value.map(|_| *rank),
        racer_id: ride.racer,
        name: ride.result.name.clone(),
        r#final: ride.result.final_output.map(|output| output.0),
        best: ride.result.best.0,
        total: ride.result.total.0,
        seconds: ride.result.seconds,
    });
    Ok(Json(Results {
        as_of,
        class_id,
        race_id,
        state: RaceState::new(known.is_some_and(|race| race.is_running)),
        by,
        racers: all.len(),
        rows: rows.collect(),
        next: part.next.map(|last| cursor::encode(&list, &last)),
    }))
}
