//! The rows that differ between the old and the new rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use timely::ExchangeData;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::{Capability, ConnectLoop, Feedback};
use timely::dataflow::{Scope, Stream};

use super::board::{Board, RankedRow};
use super::graph::ComparisonTraces;
use super::pages::{PageRows, Rows, board_pages};
use super::ranks::ranks;
use crate::operators::progress_of;
use crate::values::{Output, RacerId};

/// The maximum number of pages in flight per worker: one being processed and one arriving.
const PAGES_AHEAD: usize = 2;

/// The last rank on the podium of a race.
pub const PODIUM: u32 = 3;

/// A racer's row that differs between the old and the new rules, by its value or its rank.
///
/// ```
/// use velodrome_dataflows::{Board, Output, Row, RowDifference};
///
/// // Racer 5 has a record at second 9 under the new rules only, and it is the best.
/// let added = RowDifference {
///     board: Board::Second(1, 9),
///     racer: 5,
///     old: None,
///     new: Some((Row::Record(Output(97.5)), Some(1))),
/// };
/// assert_eq!((added.ranks(), added.outputs()), ([None, Some(1)], [None, Some(Output(97.5))]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowDifference {
    /// The board.
    pub board: Board,
    /// The racer.
    pub racer: RacerId,
    /// The row under the old rules, if there is one.
    pub old: Option<RankedRow>,
    /// The row under the new rules, if there is one.
    pub new: Option<RankedRow>,
}

impl RowDifference {
    /// The rank under the old rules, and under the new rules.
    pub fn ranks(&self) -> [Option<u32>; 2] {
        [&self.old, &self.new].map(|row| row.as_ref().and_then(|(_, rank)| *rank))
    }

    /// The output that the row is ranked by under the old rules, and under the new rules.
    pub fn outputs(&self) -> [Option<Output>; 2] {
        [&self.old, &self.new].map(|row| row.as_ref().and_then(|(row, _)| row.output()))
    }
}

/// What the new rules change on one board.
#[derive(Clone, Copy, Debug)]
pub struct BoardDifferences<'a> {
    /// The board.
    pub board: Board,
    /// The rows that differ, by ascending racer. There is at least one.
    pub rows: &'a [RowDifference],
    /// Rows that are the same under both rules, by ascending racer: all of a leaderboard, those of ranks 1
    /// to [`PODIUM`] of a race, and none of a board of records.
    pub unchanged: &'a [(RacerId, RankedRow)],
}

/// Compares all boards under two sets of rules, and emits the return value of `summarize` for each board
/// that differs.
///
/// All output is on worker 0, class by class. The boards of a class are in the order of [`Board`]:
/// leaderboard, races ascending, seconds ascending. Boards without a difference are skipped.
///
/// `summarize` receives all differences of a board. It runs on the worker that compared the board, so all
/// workers share the work of serializing rows. Each worker calls it in the order above.
///
/// All samples must have arrived in the traces. `scope` must belong to a separate dataflow, whose
/// timestamps are page numbers. To bound memory, a page starts only after worker 0 has received nearly
/// all earlier pages.
///
/// ```
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract, probe::Probe};
/// use velodrome_dataflows::{
///     Board, BoardDifferences, Rules, Sample, board_differences, comparison_graph,
/// };
///
/// let differences = timely::execute_directly(|worker| {
///     let rules = [Rules::default(), Rules { excluded_racers: [6].into(), ..Rules::default() }];
///     let graphs = worker.dataflow(|scope| {
///         let (class, second) = (1, 1);
///         let sample = |racer, cadence| Sample { class, second, racer, cadence, ..Sample::default() };
///         let samples = vec![sample(5, 60.0), sample(6, 70.0)].to_stream(scope);
///         let graphs = comparison_graph(samples, rules, u64::MAX);
///         graphs.map(|graph| (graph.traces, graph.arranged.probe().0))
///     });
///     let traces = graphs.map(|(traces, probe)| {
///         worker.step_or_park_while(None, || !probe.done());
///         traces
///     });
///     worker.dataflow(|scope| {
///         let ranks = |differences: BoardDifferences<'_>| {
///             let rank = |row: &Option<(_, Option<u32>)>| row.as_ref().and_then(|(_, rank)| *rank);
///             let rows = differences.rows.iter();
///             rows.map(|row| (row.racer, rank(&row.old), rank(&row.new))).collect::<Vec<_>>()
///         };
///         board_differences(scope, traces, ranks).capture()
///     })
/// });
/// let boards: Vec<_> = differences.extract().into_iter().flat_map(|(_page, boards)| boards).collect();
/// // Without racer 6, racer 5 is first instead of second.
/// assert!(boards.contains(&(Board::Second(1, 1), vec![(5, Some(2), Some(1)), (6, Some(1), None)])));
/// ```
pub fn board_differences<'scope, T: ExchangeData + Clone>(
    scope: Scope<'scope, u64>,
    traces: [ComparisonTraces; 2],
    mut summarize: impl FnMut(BoardDifferences<'_>) -> T + 'static,
) -> Stream<'scope, u64, Vec<(Board, T)>> {
    let (done, feedback) = scope.feedback((PAGES_AHEAD * scope.peers()) as u64);
    let differing = by_page(
        board_pages(feedback, traces),
        "CompareBoards",
        |row| row.board.hash(),
        move |rows, emit| compare(rows, |board| emit((board.board, summarize(board)))),
    );
    // The boards of each worker arrive in this order, so the stable sort only merges them.
    let in_order = |mut boards: Vec<(Board, T)>, emit: &mut dyn FnMut(_)| {
        boards.sort_by_key(|(board, _)| *board);
        boards.into_iter().for_each(emit);
    };
    let ordered = by_page(differing, "OrderBoards", |_| 0, in_order);
    progress_of(ordered.clone()).connect_loop(done);
    ordered
}

/// Exchanges rows by `route`, and applies `process` to all rows of a page once they have arrived, page
/// by page. `process` gets the rows and a function that emits results.
fn by_page<'scope, R: ExchangeData, T: Clone + 'static>(
    rows: Stream<'scope, u64, Vec<R>>,
    name: &str,
    route: impl Fn(&R) -> u64 + 'static,
    mut process: impl FnMut(Vec<R>, &mut dyn FnMut(T)) + 'static,
) -> Stream<'scope, u64, Vec<T>> {
    rows.unary_frontier(Exchange::new(route), name, |_, _| {
        // The rows received so far by page, with the capability to emit the page's results.
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
                process(rows, &mut |result| session.give(result));
            }
        }
    })
}

/// Calls `emit` for each board of a page that has differences, by ascending board.
fn compare(mut rows: Vec<PageRows>, mut emit: impl FnMut(BoardDifferences<'_>)) {
    // The rows of each worker and set of rules arrive in this order, so the stable sort only merges
    // them.
    rows.sort_by_key(|row| (row.board, row.racer, row.is_new));
    let (mut differences, mut unchanged) = (Vec::new(), Vec::new());
    for rows in rows.chunk_by(|one, next| one.board == next.board) {
        let racers = rows.chunk_by(|one, next| one.racer == next.racer);
        let racers = racers.filter_map(|rows| {
            let under = |is_new| rows.iter().find(|row| row.is_new == is_new).map(|row| &row.rows);
            Some((rows.first()?.racer, under(false), under(true)))
        });
        let racers: Vec<_> = racers.collect();
        for (offset, board) in rows.first().into_iter().flat_map(|row| row.board.covered()) {
            let output = |rows: Option<&Rows>| rows?.row(offset)?.output();
            let old_ranks = ranks(racers.iter().map(|(_, old, _)| output(*old)));
            let new_ranks = ranks(racers.iter().map(|(_, _, new)| output(*new)));
            let last_unchanged = match board {
                Board::Leaderboard(_) => u32::MAX,
                Board::Race(..) => PODIUM,
                Board::Second(..) => 0,
            };
            differences.clear();
            unchanged.clear();
            for ((racer, old, new), ranks) in
                racers.iter().zip(old_ranks.into_iter().zip(new_ranks))
            {
                let row = |rows: Option<&Rows>, rank| Some((rows?.row(offset)?, rank));
                let (old, new) = (row(*old, ranks.0), row(*new, ranks.1));
                if old != new {
                    differences.push(RowDifference { board, racer: *racer, old, new });
                } else if ranks.0.is_some_and(|rank| rank <= last_unchanged) {
                    unchanged.extend(old.map(|row| (*racer, row)));
                }
            }
            if !differences.is_empty() {
                emit(BoardDifferences { board, rows: &differences, unchanged: &unchanged });
            }
        }
    }
}
