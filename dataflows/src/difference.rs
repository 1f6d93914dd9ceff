//! The difference of two sides: what is on one board and not, or not so, on the other.

use std::collections::BTreeMap;
use std::iter;

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::{Capability, ConnectLoop, Feedback};
use timely::dataflow::{Scope, Stream};

use crate::Arrangement;
use crate::boards::{Board, Row, boards};
use crate::event::RacerId;
use crate::graph::ended;
use crate::ranks::{Ranked, ranks};
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

/// The differences between the boards of two sides, whose samples all have come: on worker 0, class by class; of
/// a class its leaderboard, its races ascending, then its boards by seconds ascending; on each racers ascending.
///
/// The old rankings are taken from the new ones, and what does not cancel out is left. It goes board by board: the
/// time of the dataflow is the page, and a page is begun once the ones before have come to worker 0, but for a few.
pub fn difference<'scope>(
    scope: Scope<'scope, u64>,
    [old, new]: [Side; 2],
) -> Stream<'scope, u64, Vec<Difference>> {
    let (done, way_back) = scope.feedback(PAGES_AHEAD);
    let [old, new] = boards(way_back, [old, new]);
    let (old, new) = (ranks(old, "OldRanks"), ranks(new, "NewRanks"));
    let both = new.concat(old.negate());
    // A board's rows of both sides are on one worker already.
    let left: Arrangement<'scope, TraceAgent<KeySpine<Ranked, u64, isize>>> =
        arrange_core(both.inner, Pipeline, "Differences", KeyBatcher::new);
    let left = left.as_collection(|row, ()| row.clone()).inner;
    let differences = in_order(left);
    ended(differences.clone()).connect_loop(done);
    differences
}

/// What is left of a page, and the capability to tell of it.
type Page = (Capability<u64>, Vec<(Ranked, isize)>);

/// Brings what is left to worker 0, in the order of pages, with what is one racer's in one.
fn in_order<'scope>(
    left: Stream<'scope, u64, Vec<(Ranked, u64, isize)>>,
) -> Stream<'scope, u64, Vec<Difference>> {
    left.unary_frontier(Exchange::new(|_| 0), "InOrder", |_, _| {
        let mut pages: BTreeMap<u64, Page> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each(|capability, rows| {
                let Some(capability) = capability.retain_least(0) else { return };
                for (row, page, diff) in rows.drain(..) {
                    // Not held back by the pages before it that came with it.
                    let held = pages.entry(page);
                    held.or_insert_with(|| (capability.delayed(&page), Vec::new()))
                        .1
                        .push((row, diff));
                }
            });
            while let Some(entry) = pages.first_entry()
                && !frontier.less_equal(entry.key())
            {
                let (capability, rows) = entry.remove();
                output.session(&capability).give_iterator(paired(rows));
            }
        }
    })
}

/// The rows of a page by board and racer: of each racer there is one of either side at most.
fn paired(mut rows: Vec<(Ranked, isize)>) -> impl Iterator<Item = Difference> {
    rows.sort_unstable_by_key(|((board, racer, ..), diff)| (*board, *racer, *diff));
    let mut rows = rows.into_iter().peekable();
    iter::from_fn(move || {
        let ((board, racer, row, rank), diff) = rows.next()?;
        let row = Some((row, rank));
        if diff > 0 {
            return Some(Difference { board, racer, old: None, new: row });
        }
        let other = rows.next_if(|((of, by, ..), _)| (*of, *by) == (board, racer));
        let new = other.map(|((_, _, row, rank), _)| (row, rank));
        Some(Difference { board, racer, old: row, new })
    })
}
