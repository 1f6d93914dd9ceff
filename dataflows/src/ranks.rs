//! Ranks: the rows of each board with their places in it.

use std::cmp::Reverse;

use crate::boards::{Board, Placed, Row};
use crate::event::RacerId;
use crate::output::{FIBONACCI, Output};

/// A row with its board and racer, and its rank where it has an output to be ranked by.
pub(crate) type Ranked = (Board, RacerId, Row, Option<u32>);

/// The rows of whole boards with their ranks, by board and racer: outputs rank descending, those who are equal share
/// the better rank (1, 2, 2, 4).
pub(crate) fn ranked(mut rows: Vec<Placed>) -> impl Iterator<Item = Ranked> {
    // Each worker's rows are in this order: a stable sort joins them.
    rows.sort_by_key(|(board, racer, _)| (*board, *racer));
    let mut ranks = vec![None; rows.len()];
    let (mut order, mut first) = (Vec::<(Reverse<Output>, usize)>::new(), 0);
    for board in rows.chunk_by(|(one, ..), (next, ..)| one == next) {
        order.clear();
        let outputs = (first..).zip(board);
        order.extend(outputs.filter_map(|(at, (.., row))| Some((Reverse(row.output()?), at))));
        order.sort_unstable();
        let (mut rank, mut last) = (0, None);
        for (place, (output, at)) in (1..).zip(&order) {
            if last != Some(output) {
                (last, rank) = (Some(output), place);
            }
            ranks.iter_mut().skip(*at).take(1).for_each(|slot| *slot = Some(rank));
        }
        first += board.len();
    }
    rows.into_iter().zip(ranks).map(|((board, racer, row), rank)| (board, racer, row, rank))
}

impl Board {
    /// The hash by which its worker is found.
    pub(crate) fn hash(&self) -> u64 {
        let key = match *self {
            Self::Leaderboard(class) => u64::from(class),
            Self::Race(class, race) => race ^ u64::from(class) << 48,
            Self::Second(class, second) => u64::from(class) << 16 | u64::from(second),
        };
        key.wrapping_mul(FIBONACCI) >> 32
    }
}
