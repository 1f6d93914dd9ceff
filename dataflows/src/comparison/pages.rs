//! Pages of boards: emits the rows under both rules one page at a time, to bound memory.
//!
//! Page 0 of a class is its leaderboard and its races. Each page after it has the boards of
//! [`CHUNK_SECONDS`] seconds.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

use differential_dataflow::trace::cursor::BatchCursor;
use differential_dataflow::trace::{Cursor, Navigable, TraceReader};
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::board::{Board, Row};
use super::graph::ComparisonTraces;
use crate::traces::read_trace;
use crate::values::{CHUNK_SECONDS, ClassId, CurveChunk, EventTime, Output, RacerId, Record};

/// The number of page numbers reserved per class. It is greater than the longest race in seconds, so
/// page numbers of different classes never overlap.
const CLASS_PAGES: u64 = 4096;

/// A racer's rows under one set of rules, on a board and the boards after it in the same page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PageRows {
    /// The first of the boards.
    pub(super) board: Board,
    pub(super) racer: RacerId,
    /// Whether the rows are those of the new rules.
    pub(super) is_new: bool,
    pub(super) rows: Rows,
}

/// A racer's rows on consecutive boards.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Rows {
    /// One row, on the first board.
    One(Row),
    /// Records at consecutive seconds.
    Records(CurveChunk),
}

impl Rows {
    /// The row on the board `offset` after the first, if there is one.
    pub(super) fn row(&self, offset: u16) -> Option<Row> {
        match self {
            Self::One(row) => (offset == 0).then(|| row.clone()),
            Self::Records(chunk) => chunk.get(offset).map(|output| Row::Record(Output(output))),
        }
    }
}

/// Emits this worker's rows under both rules page by page, boards and racers ascending within each.
///
/// The timestamps of the streams are page numbers. `done` is a feedback edge from the end of the
/// dataflow: it limits how many pages are in flight. Only the rows of the current class are in memory,
/// and their curves are shared with the traces.
pub(super) fn board_pages<'scope>(
    done: Stream<'scope, u64, Vec<()>>,
    traces: [ComparisonTraces; 2],
) -> Stream<'scope, u64, Vec<PageRows>> {
    let mut pages = Pages::new(traces);
    done.unary_frontier(Pipeline, "BoardPages", |capability, _| {
        let mut capability = Some(capability);
        move |(done, frontier), output| {
            done.for_each(|_, _| {});
            while let Some((page, class)) = pages.peek()
                && let Some(capability) = &mut capability
            {
                capability.downgrade(&page);
                if frontier.less_equal(&page) {
                    return;
                }
                let mut session = output.session(capability);
                class.iter().for_each(|rows| rows.emit(page, |rows| session.give(rows)));
                pages.advance();
            }
            capability = None;
        }
    })
}

/// A cursor over the pages under both rules.
struct Pages {
    traces: [ComparisonTraces; 2],
    /// The current class, and its rows under both rules.
    class: Option<(ClassId, [ClassRows; 2])>,
    /// The current page within the class.
    page: u16,
    /// The next class is at least this one. `None` after the greatest class.
    next_class: Option<ClassId>,
}

impl Pages {
    fn new(traces: [ComparisonTraces; 2]) -> Self {
        Self { traces, class: None, page: 0, next_class: Some(0) }
    }

    /// The current page's number and the rows of its class, or `None` after the last page.
    fn peek(&mut self) -> Option<(u64, &[ClassRows; 2])> {
        if self.class.is_none() {
            let from = self.next_class?;
            let traces = self.traces.iter_mut();
            let class = traces.filter_map(|traces| first_class(traces, from)).min()?;
            let [old, new] = &mut self.traces;
            let rows = [ClassRows::read(old, class, false), ClassRows::read(new, class, true)];
            self.class = Some((class, rows));
            self.next_class = class.checked_add(1);
        }
        let (class, rows) = self.class.as_ref()?;
        Some((u64::from(*class) * CLASS_PAGES + u64::from(self.page), rows))
    }

    /// Moves to the next page.
    fn advance(&mut self) {
        self.page += 1;
        let seconds = self.class.iter().flat_map(|(_, rows)| rows).map(ClassRows::seconds).max();
        if self.page > seconds.unwrap_or(0).div_ceil(CHUNK_SECONDS) {
            (self.class, self.page) = (None, 0);
        }
    }
}

/// The rows of a class under one set of rules, racers ascending.
struct ClassRows {
    id: ClassId,
    is_new: bool,
    /// The rows of page 0: leaderboard and races.
    first: Vec<PageRows>,
    curves: Vec<(RacerId, Record)>,
}

impl ClassRows {
    /// Reads the rows of class `id`.
    fn read(traces: &mut ComparisonTraces, id: ClassId, is_new: bool) -> Self {
        let (mut first, mut curves) = (Vec::new(), Vec::new());
        let one = |board, racer, row| PageRows { board, racer, is_new, rows: Rows::One(row) };
        let end = EventTime::MAX;
        read_trace(&mut traces.leaderboard, end, Some(&(id, 0)), |(class, racer), (), best| {
            if *class != id {
                return Break(());
            }
            let row = Row::Best(best.output, best.race);
            first.push(one(Board::Leaderboard(id), *racer, row));
            Continue(())
        });
        read_trace(
            &mut traces.results,
            end,
            Some(&(id, 0)),
            |(class, race), (racer, result), _| {
                if *class != id {
                    return Break(());
                }
                let row = Row::Result(Arc::clone(result));
                first.push(one(Board::Race(id, *race), *racer, row));
                Continue(())
            },
        );
        read_trace(&mut traces.records, end, Some(&(id, 0)), |(class, racer), (), record| {
            if *class != id {
                return Break(());
            }
            curves.push((*racer, record));
            Continue(())
        });
        Self { id, is_new, first, curves }
    }

    /// The greatest second that has a record.
    fn seconds(&self) -> u16 {
        self.curves.iter().map(|(_, curve)| curve.seconds()).max().unwrap_or(0)
    }

    /// Calls `emit` with each racer's rows on page `page` of the class.
    fn emit(&self, page: u64, mut emit: impl FnMut(PageRows)) {
        let page = u16::try_from(page % CLASS_PAGES).unwrap_or(0);
        let Some(pages_before) = page.checked_sub(1) else {
            return self.first.iter().cloned().for_each(emit);
        };
        let second = pages_before * CHUNK_SECONDS + 1;
        let board = Board::Second(self.id, second);
        for (racer, curve) in &self.curves {
            if let Some(chunk) = curve.chunk(second) {
                let rows = Rows::Records(chunk);
                emit(PageRows { board, racer: *racer, is_new: self.is_new, rows });
            }
        }
    }
}

/// The first class from `from` that has a row.
fn first_class(traces: &mut ComparisonTraces, from: ClassId) -> Option<ClassId> {
    let records = first_key(&mut traces.records, &(from, 0)).map(|(class, _)| class);
    let results = first_key(&mut traces.results, &(from, 0)).map(|(class, _)| class);
    let leaderboard = first_key(&mut traces.leaderboard, &(from, 0)).map(|(class, _)| class);
    [records, results, leaderboard].into_iter().flatten().min()
}

/// The first key of a trace from `from`.
fn first_key<Tr, K: Copy + 'static>(trace: &mut Tr, from: &K) -> Option<K>
where
    Tr: TraceReader<Time = EventTime, Batch: Navigable>,
    for<'a> BatchCursor<Tr>: Cursor<Time = EventTime, Key<'a> = &'a K>,
{
    let mut key = None;
    read_trace(trace, EventTime::MAX, Some(from), |first, _, _| {
        key = Some(*first);
        Break(())
    });
    key
}
