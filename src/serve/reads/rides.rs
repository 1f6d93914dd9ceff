//! The rides of a racer that are over, newest first, each with its rank in its race.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, Clock, Query, RaceId, RacerId, RideResult};

use super::Reads;
use super::ranking::around;
use super::results::{By, ranked};
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam, internal};
use crate::serve::token;

/// How many rides are told at most: of each the whole race is ranked.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(try_from = "u16")]
#[schema(minimum = 1, maximum = 100, default = 20)]
pub(super) struct RidesLimit(u16);

impl Default for RidesLimit {
    fn default() -> Self {
        Self(20)
    }
}

impl TryFrom<u16> for RidesLimit {
    type Error = &'static str;

    fn try_from(limit: u16) -> Result<Self, Self::Error> {
        (1..=100).contains(&limit).then_some(Self(limit)).ok_or("it must be 1 to 100")
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct RidesParams {
    /// The class.
    #[param(example = 1)]
    class_id: ClassId,
    /// How many rides at most.
    #[param(inline)]
    limit: Option<RidesLimit>,
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// The newest rides of a racer in a class.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rides {
    /// The event clock, in ms since the epoch, up to which all is included.
    as_of: Clock,
    racer_id: RacerId,
    class_id: ClassId,
    /// The newest race first.
    rows: Vec<RideRow>,
}

/// What a ride came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RideRow {
    race_id: RaceId,
    /// The event clock at the first event of the race, in ms since the epoch.
    started_at: Clock,
    /// By the final outputs of the race, from 1; racers with equal ones share the better rank. Null without
    /// a final.
    rank: Option<u64>,
    /// How many racers have a result in the race.
    racers: usize,
    /// The racer's name in the race.
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

impl RideRow {
    /// The ride of `racer`, by the results of its race; none where the racer has no result there.
    fn new(
        racer: RacerId,
        (race_id, started_at): (RaceId, Clock),
        results: &[(RaceId, RacerId, Arc<RideResult>)],
    ) -> Option<Self> {
        let rides = ranked(results, By::Final);
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

/// A racer's newest rides that are over, each with its rank; kept for seven days.
///
/// A racer who did not ride has none.
#[utoipa::path(
    get,
    path = "/v1/racers/{racerId}/results",
    params(("racerId" = RacerId, Path, example = 5, description = "The racer."), RidesParams),
    responses(
        (status = OK, body = Rides, description = "The rides."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn rides(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(racer_id): PathParam<RacerId>,
    Params(RidesParams { class_id, limit, after }): Params<RidesParams>,
) -> Result<Json<Rides>, ApiError> {
    grant.class(class_id)?;
    let limit = usize::from(limit.unwrap_or_default().0);
    token::wait_for(&reads.engine, after.as_deref()).await?;
    // Three are asked, each of its own time: all is there that the oldest of them knew.
    let (as_of, races) = {
        let (as_of, live) = reads.engine.live();
        (as_of, live.races(Some(class_id), None, usize::MAX))
    };
    let newest_first = races.iter().map(|race| race.order.2).collect();
    let ridden = Query::Ridden(class_id, racer_id, newest_first, limit);
    let (ridden_as_of, answer) = reads.engine.ask(ridden).await?;
    let Answer::Ridden(ridden) = answer else { return Err(internal()) };
    let as_of = as_of.min(ridden_as_of);
    if ridden.is_empty() {
        return Ok(Json(Rides { as_of, racer_id, class_id, rows: Vec::new() }));
    }
    let (_, answer) = reads.engine.ask(Query::Results(class_id, ridden.clone())).await?;
    let Answer::Results(results) = answer else { return Err(internal()) };
    let by_race = results.chunk_by(|(a, ..), (b, ..)| a == b);
    let by_race = by_race.filter_map(|race| Some((race.first()?.0, race)));
    let by_race: HashMap<_, _> = by_race.collect();
    let began: HashMap<_, _> = races.iter().map(|race| (race.order.2, race.order.0)).collect();
    let row = |race: &RaceId| {
        let began = *began.get(race)?;
        RideRow::new(racer_id, (*race, began), by_race.get(race)?)
    };
    let rows = ridden.iter().filter_map(row).collect();
    Ok(Json(Rides { as_of, racer_id, class_id, rows }))
}
