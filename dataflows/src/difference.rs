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

/// What `tell` makes of the differences between the boards of two sides, whose samples all have come: on worker
/// 0, class by class; of a class its leaderboard, its races ascending, then its boards by seconds ascending.
/// Boards without a difference are not told.
///
/// `tell` is called on the worker where a board comes together, in that order, with all differences of the
/// board, racers ascending: what many rows are written as is made by all workers.
///
/// It goes page by page: a page is the dataflow's time, and is begun once those before it have come to worker 0, but
/// for a few.
pub fn difference<'scope, T: ExchangeData + Clone>(
    scope: Scope<'scope, u64>,
    sides: [Side; 2],
    mut tell: impl FnMut(Board, &[Difference]) -> T + 'static,
) -> Stream<'scope, u64, Vec<(Board, T)>> {
    let (done, way_back) = scope.feedback((PAGES_AHEAD * scope.peers()) as u64);
    let differing = by_page(
        boards(way_back, sides),
        "Differing",
        |row| row.board.hash(),
        move |rows, give| differences(rows, |board, rows| give((board, tell(board, rows)))),
    );
    // Each worker's boards are in this order.
    let in_order = |mut boards: Vec<(Board, T)>, give: &mut dyn FnMut(_)| {
        boards.sort_by_key(|(board, _)| *board);
        boards.into_iter().for_each(give);
    };
    let told = by_page(differing, "InOrder", |_| 0, in_order);
    ended(told.clone()).connect_loop(done);
    told
}

/// Brings rows together by `route`: what `whole` gives of those of a page, once all of them are there, page after
/// page.
fn by_page<'scope, R: ExchangeData, T: Clone + 'static>(
    rows: Stream<'scope, u64, Vec<R>>,
    name: &str,
    route: impl Fn(&R) -> u64 + 'static,
    mut whole: impl FnMut(Vec<R>, &mut dyn FnMut(T)) + 'static,
) -> Stream<'scope, u64, Vec<T>> {
    rows.unary_frontier(Exchange::new(route), name, |_, _| {
        // With the capability to tell of it.
        let mut pages: BTreeMap<u64, (Capability<u64>, Vec<R>)> = BTreeMap::new();
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
                whole(rows, &mut |told| session.give(told));
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
        for (offset, board) in rows.first().into_iter().flat_map(|row| row.board.run()) {
            let output = |rows: Option<&Rows>| rows?.row(offset)?.output();
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
