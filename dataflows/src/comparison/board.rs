//! Boards and their rows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::values::{CHUNK_SECONDS, ClassId, Output, RaceId, RideResult, fibonacci_hash};

/// A list of racers that are ranked together.
///
/// ```
/// use velodrome_dataflows::Board;
///
/// let mut boards = [Board::Second(1, 2), Board::Race(1, 7), Board::Leaderboard(1)];
/// boards.sort();
/// // The order in which the differences of a class are listed.
/// assert_eq!(boards, [Board::Leaderboard(1), Board::Race(1, 7), Board::Second(1, 2)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Board {
    /// The best final outputs of a class.
    Leaderboard(ClassId),
    /// The results of a race.
    Race(ClassId, RaceId),
    /// The records of a class at a second.
    Second(ClassId, u16),
}

/// A racer's row on a board.
///
/// ```
/// use velodrome_dataflows::{Output, Row};
///
/// assert_eq!(Row::Record(Output(97.5)).output(), Some(Output(97.5)));
/// assert_eq!(Row::Best(Output(99.0), 7).output(), Some(Output(99.0)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Row {
    /// On a leaderboard: the best final output, and the race that it was set in.
    Best(Output, RaceId),
    /// In a race: the result.
    Result(Arc<RideResult>),
    /// At a second: the record.
    Record(Output),
}

/// A row and its rank, from 1. Equal outputs share the better rank. A row without an output has none.
pub type RankedRow = (Row, Option<u32>);

impl Row {
    /// The output that the row is ranked by. For a result it is the final output, if there is one.
    pub fn output(&self) -> Option<Output> {
        match self {
            Self::Best(output, _) | Self::Record(output) => Some(*output),
            Self::Result(result) => result.final_output,
        }
    }
}

impl Board {
    /// The boards covered by `PageRows` that start at this board, each with
    /// its offset.
    ///
    /// A curve chunk covers the boards of [`CHUNK_SECONDS`] seconds; other rows cover one board.
    pub(super) fn covered(self) -> impl Iterator<Item = (u16, Self)> {
        let boards = if let Self::Second(..) = self { CHUNK_SECONDS } else { 1 };
        (0..boards).map(move |offset| match self {
            Self::Second(class, second) => (offset, Self::Second(class, second + offset)),
            board => (offset, board),
        })
    }

    /// The hash that selects the worker of the board. Pages of seconds are distributed round-robin over
    /// the workers.
    pub(super) fn hash(&self) -> u64 {
        match *self {
            Self::Leaderboard(class) => class.into(),
            Self::Race(class, race) => fibonacci_hash(race ^ u64::from(class) << 48),
            Self::Second(class, second) => u64::from(class) + u64::from(second / CHUNK_SECONDS),
        }
    }
}
