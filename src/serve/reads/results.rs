//! The results of a race, ranked by one of its numbers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, Clock, Output, Query, RaceId, RacerId, RideResult};

use super::params::{Limit, Selection};
use super::races::{RacePath, RaceState};
use super::ranking::Ranked;
use super::{Reads, cursor};
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam, internal};
use crate::serve::token;

/// What results are ranked by.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum By {
    /// The output of the final event.
    #[default]
    Final,
    /// The greatest output.
    Best,
    /// The sum of the outputs.
    Total,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ResultsParams {
    /// What to rank by.
    #[serde(default)]
    by: By,
    /// How many rows at most.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// A part of a race's results.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Results {
    /// The event clock, in ms since the epoch, up to which all is included.
    as_of: Clock,
    class_id: ClassId,
    race_id: RaceId,
    /// While the race is running, results are those of the rides that are over.
    state: RaceState,
    by: By,
    /// How many racers have a result.
    racers: usize,
    /// Ranked descending, racers with equal numbers ascending; those without a final come last.
    rows: Vec<ResultRow>,
    /// The cursor of the rows behind these, where there are more.
    next: Option<String>,
}

/// What a ride came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResultRow {
    /// From 1; racers with equal numbers share the better rank. By `final`, null without a final.
    rank: Option<u64>,
    racer_id: RacerId,
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    /// The output of the final event, if one came.
    r#final: Option<f64>,
    /// The greatest output.
    best: f64,
    /// The sum over seconds of the best output at each.
    total: f64,
    /// How many distinct seconds were reported.
    seconds: u16,
}

/// A ride's result and the number that it is ranked by.
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

impl By {
    fn value(self, result: &RideResult) -> Option<Output> {
        match self {
            Self::Final => result.final_output,
            Self::Best => Some(result.best),
            Self::Total => Some(result.total),
        }
    }
}

/// The results of one race in their order.
pub(super) fn ranked(results: &[(RaceId, RacerId, Arc<RideResult>)], by: By) -> Vec<Ride> {
    let ride = |(_, racer, result): &(RaceId, RacerId, Arc<RideResult>)| Ride {
        racer: *racer,
        value: by.value(result),
        result: Arc::clone(result),
    };
    let mut rides: Vec<_> = results.iter().map(ride).collect();
    rides.sort_unstable_by_key(Ranked::position);
    rides
}

/// What the rides of a race that are over came to; kept for seven days.
#[utoipa::path(
    get,
    path = "/v1/races/{classId}/{raceId}/results",
    params(RacePath, ResultsParams),
    responses(
        (status = OK, body = Results, description = "The page."),
        (status = NOT_FOUND, body = ErrorBody, description = "No such race is known."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn results(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(race): PathParam<RacePath>,
    Params(params): Params<ResultsParams>,
) -> Result<Json<Results>, ApiError> {
    let RacePath { class_id, race_id } = race;
    grant.class(class_id)?;
    let ResultsParams { by, limit, cursor, after } = params;
    let list = format!("results/{class_id}/{race_id}/{by:?}");
    let selection = Selection::page(&list, limit, cursor.as_deref())?;
    token::wait_for(&reads.engine, after.as_deref()).await?;
    let (as_of, answer) = reads.engine.ask(Query::Results(class_id, vec![race_id])).await?;
    let Answer::Results(results) = answer else { return Err(internal()) };
    let known = reads.engine.live().1.race(class_id, race_id);
    if known.is_none() && results.is_empty() {
        return Err(race.not_found());
    }
    let all = ranked(&results, by);
    let part = selection.of(&all);
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
