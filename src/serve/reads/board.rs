//! `GET /v1/classes/{classId}/board`: the records of a class at a second, ranked.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, EventTime, RacerId};

use super::cache::CachedQuery;
use super::cursor;
use super::page::{Limit, Selection, Window};
use super::state::ReadState;
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::params::{PathParams, QueryParams};
use crate::serve::permissions::Permissions;
use crate::serve::visibility;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BoardParams {
    /// A second of the race, from 1 to the length of the race.
    #[param(value_type = u16, minimum = 1, maximum = 3600, example = 60)]
    #[serde(deserialize_with = "second")]
    second: u16,
    /// The maximum number of rows.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the previous page.
    cursor: Option<String>,
    /// Selects the rows around this racer instead of a page; no rows if the racer is not on the board.
    around: Option<RacerId>,
    /// With `around`, the number of rows before and after the racer.
    #[param(inline)]
    window: Option<Window>,
    /// The `token` of a reply to `POST /v1/events`. The response includes the events of that request.
    after: Option<String>,
}

/// Deserializes the second. It may still exceed the length of a race, which the handler checks.
fn second<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let requirement = "a whole number from 1 to the length of a race";
    u16::deserialize(deserializer).map_err(|_| D::Error::custom(requirement))
}

/// A page of a board, or the rows around a racer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct Board {
    /// The response includes everything up to this event clock, in ms since the epoch.
    pub(in crate::serve) as_of: EventTime,
    class_id: ClassId,
    second: u16,
    /// The number of racers on the complete board.
    pub(in crate::serve) racers: usize,
    /// Sorted by output, descending, then by racer id.
    pub(in crate::serve) rows: Vec<BoardRow>,
    /// The cursor of the next page; null on the last page.
    next: Option<String>,
}

/// The record of a racer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct BoardRow {
    /// The rank, from 1. Racers with equal outputs share the better rank.
    rank: u64,
    racer_id: RacerId,
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    output: f64,
}

/// The records of a class at one second of the race, from all finished rides
///
/// A class without records has an empty board.
#[utoipa::path(
    get,
    path = "/v1/classes/{classId}/board",
    params(("classId" = ClassId, Path, example = 1, description = "The class."), BoardParams),
    responses(
        (status = OK, body = Board, description = "The rows."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "The events of `after` were not visible within 5 s."),
    )
)]
pub(super) async fn board(
    State(reads): State<ReadState>,
    permissions: Permissions,
    PathParams(class_id): PathParams<ClassId>,
    QueryParams(params): QueryParams<BoardParams>,
) -> Result<Json<Board>, ApiError> {
    permissions.require_class(class_id)?;
    let BoardParams { second, limit, cursor, around, window, after } = params;
    if !(1..=reads.race_seconds()).contains(&second) {
        let last = reads.race_seconds();
        let message = format!(
            "second is '{second}'; it must be a whole number from 1 to {last}, the length of a race"
        );
        return Err(ApiError::bad_parameter(message));
    }
    let list = list(class_id, second);
    let selection = Selection::new(&list, limit, cursor.as_deref(), around, window)?;
    visibility::wait_for(&reads.engine, after.as_deref()).await?;
    reads.board(class_id, second, &list, selection).await.map(Json)
}

impl ReadState {
    /// The first page of a board.
    ///
    /// # Errors
    /// 503 `busy` or `stopping`, from the engine.
    pub(in crate::serve) async fn top_of_board(
        &self,
        class_id: ClassId,
        second: u16,
    ) -> Result<Board, ApiError> {
        let first = Selection::Page { last: None, limit: Limit::default() };
        self.board(class_id, second, &list(class_id, second), first).await
    }

    async fn board(
        &self,
        class_id: ClassId,
        second: u16,
        list: &str,
        selection: Selection,
    ) -> Result<Board, ApiError> {
        let (as_of, answer) = self.cache.query(CachedQuery::Board(class_id, second)).await?;
        let Answer::Board(all) = &*answer else { return Err(ApiError::internal()) };
        let part = selection.select(all);
        let mut names =
            self.names(class_id, part.rows.iter().map(|(_, (racer, _))| *racer)).await?;
        let rows = part.rows.iter().map(|(rank, (racer, output))| BoardRow {
            rank: *rank,
            racer_id: *racer,
            name: names.remove(racer),
            output: output.0,
        });
        Ok(Board {
            as_of,
            class_id,
            second,
            racers: all.len(),
            rows: rows.collect(),
            next: part.next.map(|last| cursor::encode(list, &last)),
        })
    }
}

/// Identifies the list in cursors.
fn list(class_id: ClassId, second: u16) -> String {
    format!("board/{class_id}/{second}")
}
