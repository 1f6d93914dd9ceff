//! The difference of two sides: what is on one board and not, or not so, on the other.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter;

use serde::{Deserialize, Serialize};
use timely::ExchangeData;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::{Capability, ConnectLoop, Feedback};
use timely::dataflow::{Scope, Stream};

use crate::boards::{Board, Placed, Row, boards};
use crate::event::RacerId;
use crate::graph::ended;
use crate::ranks::ranked;
use crate::sides::Side;

/// How many pages are on their way at most: enough that workers need not wait for each other at every one.
const PAGES_AHEAD: u64 = 4;

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
    let (done, way_back) = scope.feedback(PAGES_AHEAD);
    let [old, new] = boards(way_back, sides);
    let told = in_order(differing(old, new, tell));
    ended(told.clone()).connect_loop(done);
    told
}

/// Rows that wait for the rest of their page, and the capability to tell of it.
type Page<R> = (Capability<u64>, R);

/// What `tell` makes of the rows of either side that differ, or rank differently: those of a board come together on
/// one worker, and are ranked once all of their page are there.
fn differing<'scope, T: ExchangeData>(
    old: Stream<'scope, u64, Vec<Placed>>,
    new: Stream<'scope, u64, Vec<Placed>>,
    mut tell: impl FnMut(Board, &[Difference]) -> T + 'static,
) -> Stream<'scope, u64, Vec<(Board, T)>> {
    let route = || Exchange::new(|(board, _, _): &Placed| board.hash());
    old.binary_frontier(new, route(), route(), "Differing", |_, _| {
        let mut pages: BTreeMap<u64, Page<[Vec<Placed>; 2]>> = BTreeMap::new();
        move |(old, old_frontier), (new, new_frontier), output| {
            old.for_each(|capability, rows| {
                let Some(capability) = capability.retain_least(0) else { return };
                let (_, [held, _]) = pages
                    .entry(*capability.time())
                    .or_insert_with(|| (capability, Default::default()));
                held.append(rows);
            });
            new.for_each(|capability, rows| {
                let Some(capability) = capability.retain_least(0) else { return };
                let (_, [_, held]) = pages
                    .entry(*capability.time())
                    .or_insert_with(|| (capability, Default::default()));
                held.append(rows);
            });
            while let Some(entry) = pages.first_entry()
                && !old_frontier.less_equal(entry.key())
                && !new_frontier.less_equal(entry.key())
            {
                let (capability, [old, new]) = entry.remove();
                let differences: Vec<_> = joined(old, new).collect();
                let boards = differences.chunk_by(|one, next| one.board == next.board);
                let told = boards.filter_map(|rows| {
                    let board = rows.first()?.board;
                    Some((board, tell(board, rows)))
                });
                output.session(&capability).give_iterator(told);
            }
        }
    })
}

/// What differs between the rows of whole boards, by board and racer.
fn joined(old: Vec<Placed>, new: Vec<Placed>) -> impl Iterator<Item = Difference> {
    let (mut old, mut new) = (ranked(old).peekable(), ranked(new).peekable());
    let rows = iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (Some((board, racer, ..)), Some((other, by, ..))) => (board, racer).cmp(&(other, by)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let before = old.next_if(|_| order.is_le());
        let after = new.next_if(|_| order.is_ge());
        let (board, racer, ..) = before.as_ref().or(after.as_ref())?;
        let (board, racer) = (*board, *racer);
        let [old, new] = [before, after].map(|row| row.map(|(_, _, row, rank)| (row, rank)));
        Some(Difference { board, racer, old, new })
    });
    rows.filter(|difference| difference.old != difference.new)
}

/// Brings what is told to worker 0, in the order of pages, and of boards in each.
fn in_order<'scope, T: ExchangeData>(
    told: Stream<'scope, u64, Vec<(Board, T)>>,
) -> Stream<'scope, u64, Vec<(Board, T)>> {
    told.unary_frontier(Exchange::new(|_| 0), "InOrder", |_, _| {
        let mut pages: BTreeMap<u64, Page<Vec<(Board, T)>>> = BTreeMap::new();
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
