//! The board of a class at a second: the records, ranked.

use axum::Json;
use axum::extract::State;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use velodrome_dataflows::{Answer, ClassId, Clock, RacerId};

use super::cache::Question;
use super::params::{Limit, Selection, Window};
use super::{Reads, cursor};
use crate::serve::error::{ApiError, ErrorBody};
use crate::serve::grant::Grant;
use crate::serve::query::{Params, PathParam, internal};
use crate::serve::token;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BoardParams {
    /// The second of the race, from 1 to the race's length.
    #[param(minimum = 1, maximum = 3600, example = 60)]
    second: u16,
    /// How many rows at most.
    #[param(inline)]
    limit: Option<Limit>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Instead of a page, the rows around this racer; none where the racer is not on the board.
    around: Option<RacerId>,
    /// With `around`, how many rows before and behind it.
    #[param(inline)]
    window: Option<Window>,
    /// The token of an ingest that is to be included.
    after: Option<String>,
}

/// A part of a board.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct Board {
    /// The event clock, in ms since the epoch, up to which all is included.
    pub(in crate::serve) as_of: Clock,
    class_id: ClassId,
    second: u16,
    /// How many racers the whole board has.
    pub(in crate::serve) racers: usize,
    /// Outputs descending, racers of equal ones ascending.
    pub(in crate::serve) rows: Vec<BoardRow>,
    /// The cursor of the rows behind these, where there are more.
    next: Option<String>,
}

/// A racer's record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct BoardRow {
    /// From 1; racers with equal outputs share the better rank.
    rank: u64,
    racer_id: RacerId,
    #[schema(value_type = Option<String>)]
    name: Option<CompactString>,
    output: f64,
}

/// The records of a class at a second of the race, over all races that are over.
///
/// A class that nobody rode in has an empty board.
#[utoipa::path(
    get,
    path = "/v1/classes/{classId}/board",
    params(("classId" = ClassId, Path, example = 1, description = "The class."), BoardParams),
    responses(
        (status = OK, body = Board, description = "The part of the board."),
        (status = GATEWAY_TIMEOUT, body = ErrorBody, description = "What `after` names is not visible within 5 s."),
    )
)]
pub(super) async fn board(
    State(reads): State<Reads>,
    grant: Grant,
    PathParam(class_id): PathParam<ClassId>,
    Params(params): Params<BoardParams>,
) -> Result<Json<Board>, ApiError> {
    grant.class(class_id)?;
    let BoardParams { second, limit, cursor, around, window, after } = params;
    if !(1..=reads.race_seconds()).contains(&second) {
        let last = reads.race_seconds();
        let message = format!("second is '{second}'; it must be 1 to {last}, the race's length");
        return Err(ApiError::bad_parameter(message));
    }
    let list = list(class_id, second);
    let selection = Selection::new(&list, limit, cursor.as_deref(), around, window)?;
    token::wait_for(&reads.engine, after.as_deref()).await?;
    reads.board(class_id, second, &list, selection).await.map(Json)
}

impl Reads {
    /// The first page of a board.
    ///
    /// # Errors
    /// An engine that is over its bound, or stopping.
    pub(in crate::serve) async fn top_of_board(
        &self,
        class_id: ClassId,
        second: u16,
    ) -> Result<Board, ApiError> {
        let first = Selection::Page { behind: None, limit: Limit::default() };
        self.board(class_id, second, &list(class_id, second), first).await
    }

    async fn board(
        &self,
        class_id: ClassId,
        second: u16,
        list: &str,
        selection: Selection,
    ) -> Result<Board, ApiError> {
        let (as_of, answer) = self.cache.ask(Question::Board(class_id, second)).await?;
        let Answer::Board(all) = &*answer else { return Err(internal()) };
        let part = selection.of(all);
        let mut names = self.names(part.rows.iter().map(|(_, (racer, _))| *racer)).await?;
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

fn list(class_id: ClassId, second: u16) -> String {
    format!("board/{class_id}/{second}")
}
