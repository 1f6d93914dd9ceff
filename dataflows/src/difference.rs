//! The difference of two sides: what is on one board and not, or not so, on the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use timely::ExchangeData;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::{Capability, ConnectLoop, Feedback};
use timely::dataflow::{Scope, Stream};

use crate::boards::{Board, Placed, Row, Rows, boards};
use crate::event::RacerId;
use crate::graph::ended;
use crate::ranks::ranks;
use crate::sides::Side;

/// How many pages are on their way at most for each worker: one that it works on, and one that comes in.
const PAGES_AHEAD: usize = 2;

/// A racer's row on a board that is not the same on both sides, or not of the same rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The board.
    pub board: Board,
    /// The racer.
    pub racer: RacerId,
    /// The row and its rank on the old side, where there is one.
    pub old: Option<(Row, Option<u32>)>,
    /// The same on the new side.
    pub new: Option<(Row, Option<u32>)>,
}

/// What `tell` makes of the differences between the boards of two sides, whose samples all have come: on worker 0,
/// class by class; of a class its leaderboard, its races ascending, then its boards by seconds ascending. Boards without
/// a difference are not told.
///
/// `tell` is called on the worker where a board comes together, in that order, with all differences of the
/// board, racers ascending: what many rows are written as is made by all workers.
///
/// It goes board by board: the time of the dataflow is the page, and a page is begun once the ones before have come to
/// worker 0, but for a few.
pub fn difference<'scope, T: ExchangeData + Clone>(
    scope: Scope<'scope, u64>,
    sides: [Side; 2],
    tell: impl FnMut(Board, &[Difference]) -> T + 'static,
) -> Stream<'scope, u64, Vec<(Board, T)>> {
    let (done, way_back) = scope.feedback((PAGES_AHEAD * scope.peers()) as u64);
    let told = in_order(differing(boards(way_back, sides), tell));
    ended(told.clone()).connect_loop(done);
    told
}

/// Rows that wait for the rest of their page, and the capability to tell of it.
type Page<R> = (Capability<u64>, Vec<R>);

/// What `tell` makes of the rows of either side that differ, or rank differently: those of a board come together on
/// one worker, and are ranked once all of their page are there.
fn differing<'scope, T: ExchangeData>(
    rows: Stream<'scope, u64, Vec<Placed>>,
    mut tell: impl FnMut(Board, &[Difference]) -> T + 'static,
) -> Stream<'scope, u64, Vec<(Board, T)>> {
    rows.unary_frontier(Exchange::new(|row: &Placed| row.board.hash()), "Differing", |_, _| {
        let mut pages: BTreeMap<u64, Page<Placed>> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each(|capability, rows| {
                let Some(capability) = capability.retain_least(0) else { return };
                let page = pages.entry(*capability.time());
                page.or_insert_with(|| (capability, Vec::new())).1.append(rows);
            });
            while let Some(entry) = pages.first_entry()
                && !frontier.less_equal(entry.key())
            {
                let (capability, rows) = entry.remove();
                let mut session = output.session(&capability);
                differences(rows, |board, rows| session.give((board, tell(board, rows))));
            }
        }
    })
}

/// Tells what differs on each board of a page that has differences, boards and racers ascending.
fn differences(mut rows: Vec<Placed>, mut tell: impl FnMut(Board, &[Difference])) {
    // Each worker's rows of a side are in this order: a stable sort joins them.
    rows.sort_by_key(|row| (row.board, row.racer, row.is_new));
    let mut differences = Vec::new();
    for rows in rows.chunk_by(|one, next| one.board == next.board) {
        let racers = rows.chunk_by(|one, next| one.racer == next.racer);
        let racers = racers.filter_map(|rows| {
            let side = |is_new| rows.iter().find(|row| row.is_new == is_new).map(|row| &row.rows);
            Some((rows.first()?.racer, side(false), side(true)))
        });
        let racers: Vec<_> = racers.collect();
        for (offset, board) in rows.iter().take(1).flat_map(|row| row.board.run()) {
            let output = |rows: Option<&Rows>| rows?.output(offset);
            let old_ranks = ranks(racers.iter().map(|(_, old, _)| output(*old)));
            let new_ranks = ranks(racers.iter().map(|(_, _, new)| output(*new)));
            let ranked = racers.iter().zip(old_ranks.into_iter().zip(new_ranks));
            differences.clear();
            differences.extend(ranked.filter_map(|((racer, old, new), (old_rank, new_rank))| {
                let row = |rows: Option<&Rows>, rank| Some((rows?.row(offset)?, rank));
                let (old, new) = (row(*old, old_rank), row(*new, new_rank));
                (old != new).then_some(Difference { board, racer: *racer, old, new })
            }));
            if !differences.is_empty() {
                tell(board, &differences);
            }
        }
    }
}

/// Brings what is told to worker 0, in the order of pages, and of boards in each.
fn in_order<'scope, T: ExchangeData>(
    told: Stream<'scope, u64, Vec<(Board, T)>>,
) -> Stream<'scope, u64, Vec<(Board, T)>> {
    told.unary_frontier(Exchange::new(|_| 0), "InOrder", |_, _| {
        let mut pages: BTreeMap<u64, Page<(Board, T)>> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each(|capability, rows| {
                let Some(capability) = capability.retain_least(0) else { return };
                let page = pages.entry(*capability.time());
                page.or_insert_with(|| (capability, Vec::new())).1.append(rows);
            });
            while let Some(entry) = pages.first_entry()
                && !frontier.less_equal(entry.key())
            {
                let (capability, mut rows) = entry.remove();
                // Each worker's are in this order.
                rows.sort_by_key(|(board, _)| *board);
                output.session(&capability).give_iterator(rows.into_iter());
            }
        }
    })
}
