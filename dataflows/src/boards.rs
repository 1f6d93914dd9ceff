//! Boards: what two sides hold, told page by page so that it is never in memory as rows all at once.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

use differential_dataflow::trace::cursor::BatchCursor;
use differential_dataflow::trace::{Cursor, Navigable, TraceReader};
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use crate::curve::{RUN_SECONDS, Record, Run};
use crate::event::{ClassId, Clock, RaceId, RacerId};
use crate::output::{FIBONACCI, Output};
use crate::results::RideResult;
use crate::sides::Side;
use crate::traces::read;

/// Pages of a class: more than there are seconds in a race.
const CLASS_PAGES: u64 = 4096;

/// What is ranked together.
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Row {
    /// On a leaderboard: the best final output, and the race where it was set.
    Best(Output, RaceId),
    /// In a race.
    Result(Arc<RideResult>),
    /// At a second: the record.
    Record(Output),
}

impl Row {
    /// By what it is ranked: a result by its final output, where there is one.
    pub fn output(&self) -> Option<Output> {
        match self {
            Self::Best(output, _) | Self::Record(output) => Some(*output),
            Self::Result(result) => result.final_output,
        }
    }
}

impl Board {
    /// The boards of which rows tell that begin at this one, each with how far it is behind this one.
    pub(crate) fn run(self) -> impl Iterator<Item = (u16, Self)> {
        let boards = if let Self::Second(..) = self { RUN_SECONDS } else { 1 };
        (0..boards).map(move |offset| match self {
            Self::Second(class, second) => (offset, Self::Second(class, second + offset)),
            board => (offset, board),
        })
    }

    /// The hash by which its worker is found: pages of seconds go to the workers in turn.
    pub(crate) fn hash(&self) -> u64 {
        match *self {
            Self::Leaderboard(class) => class.into(),
            Self::Race(class, race) => {
                (race ^ u64::from(class) << 48).wrapping_mul(FIBONACCI) >> 32
            }
            Self::Second(class, second) => u64::from(class) + u64::from(second / RUN_SECONDS),
        }
    }
}

/// What a side holds of a racer on a board and on those behind it in the same page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Placed {
    /// The first of the boards.
    pub(crate) board: Board,
    pub(crate) racer: RacerId,
    pub(crate) is_new: bool,
    pub(crate) rows: Rows,
}

/// A racer's rows on neighbouring boards.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Rows {
    /// On the first board alone.
    One(Row),
    /// Records.
    Records(Run),
}

impl Rows {
    /// The row on the board so many behind the first.
    pub(crate) fn row(&self, offset: u16) -> Option<Row> {
        match self {
            Self::One(row) => (offset == 0).then(|| row.clone()),
            Self::Records(run) => run.get(offset).map(|output| Row::Record(Output(output))),
        }
    }
}

/// Tells what this worker holds of either side, page after page, boards and racers ascending in each: page 0 of a
/// class is its leaderboard and its races, those behind it are of [`RUN_SECONDS`] boards each. Of a class only
/// the curves are held, which are the traces' own.
///
/// `done` is the way back from where the pages end: a page is told only once its frontier has come past it. The
/// times of the streams are pages.
pub(crate) fn boards<'scope>(
    done: Stream<'scope, u64, Vec<()>>,
    sides: [Side; 2],
) -> Stream<'scope, u64, Vec<Placed>> {
    let mut pages = Pages::new(sides);
    done.unary_frontier(Pipeline, "Boards", |capability, _| {
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
                class.iter().for_each(|side| side.tell(page, |placed| session.give(placed)));
                pages.turn();
            }
            capability = None;
        }
    })
}

/// The pages of two sides, and which one comes next.
struct Pages {
    sides: [Side; 2],
    /// The class whose pages are told.
    class: Option<(ClassId, [Class; 2])>,
    /// The page within the class.
    page: u16,
    /// Classes before it are told.
    from: Option<ClassId>,
}

impl Pages {
    fn new(sides: [Side; 2]) -> Self {
        Self { sides, class: None, page: 0, from: Some(0) }
    }

    /// The next page and what either side holds of its class.
    fn peek(&mut self) -> Option<(u64, &[Class; 2])> {
        if self.class.is_none() {
            let from = self.from?;
            let next = self.sides.iter_mut().filter_map(|side| side.class(from)).min()?;
            let [old, new] = &mut self.sides;
            self.class = Some((next, [old.open(next, false), new.open(next, true)]));
            self.from = next.checked_add(1);
        }
        let (class, sides) = self.class.as_ref()?;
        Some((u64::from(*class) * CLASS_PAGES + u64::from(self.page), sides))
    }

    /// Goes on to the page behind the next one.
    fn turn(&mut self) {
        self.page += 1;
        let seconds = self.class.iter().flat_map(|(_, sides)| sides).map(Class::seconds).max();
        if self.page > seconds.unwrap_or(0).div_ceil(RUN_SECONDS) {
            (self.class, self.page) = (None, 0);
        }
    }
}

/// What one side holds of a class, racers ascending.
struct Class {
    id: ClassId,
    is_new: bool,
    /// The rows of its leaderboard and its races.
    first: Vec<Placed>,
    curves: Vec<(RacerId, Record)>,
}

impl Class {
    fn seconds(&self) -> u16 {
        self.curves.iter().map(|(_, curve)| curve.seconds()).max().unwrap_or(0)
    }

    /// What is on a page.
    fn tell(&self, page: u64, mut tell: impl FnMut(Placed)) {
        let page = u16::try_from(page % CLASS_PAGES).unwrap_or(0);
        let Some(pages_before) = page.checked_sub(1) else {
            return self.first.iter().cloned().for_each(tell);
        };
        let second = pages_before * RUN_SECONDS + 1;
        let board = Board::Second(self.id, second);
        for (racer, curve) in &self.curves {
            if let Some(run) = curve.run(second) {
                let rows = Rows::Records(run);
                tell(Placed { board, racer: *racer, is_new: self.is_new, rows });
            }
        }
    }
}

impl Side {
    /// The first class from `from` on of which anything is held.
    fn class(&mut self, from: ClassId) -> Option<ClassId> {
        let records = first(&mut self.records, &(from, 0)).map(|(class, _)| class);
        let results = first(&mut self.results, &(from, 0)).map(|(class, _)| class);
        let leaderboard = first(&mut self.leaderboard, &(from, 0)).map(|(class, _)| class);
        [records, results, leaderboard].into_iter().flatten().min()
    }

    fn open(&mut self, id: ClassId, is_new: bool) -> Class {
        let (mut first, mut curves) = (Vec::new(), Vec::new());
        let one = |board, racer, row| Placed { board, racer, is_new, rows: Rows::One(row) };
        let end = Clock::MAX;
        read(&mut self.leaderboard, end, Some(&(id, 0)), |(class, racer), (), best| {
            if *class != id {
                return Break(());
            }
            let row = Row::Best(best.output, best.race);
            first.push(one(Board::Leaderboard(id), *racer, row));
            Continue(())
        });
        read(&mut self.results, end, Some(&(id, 0)), |(class, race), (racer, result), _| {
            if *class != id {
                return Break(());
            }
            let row = Row::Result(Arc::clone(result));
            first.push(one(Board::Race(id, *race), *racer, row));
            Continue(())
        });
        read(&mut self.records, end, Some(&(id, 0)), |(class, racer), (), record| {
            if *class != id {
                return Break(());
            }
            curves.push((*racer, record));
            Continue(())
        });
        Class { id, is_new, first, curves }
    }
}

/// The first key from `from` on that a trace holds.
fn first<Tr, K: Copy + 'static>(trace: &mut Tr, from: &K) -> Option<K>
where
    Tr: TraceReader<Time = Clock, Batch: Navigable>,
    for<'a> BatchCursor<Tr>: Cursor<Time = Clock, Key<'a> = &'a K>,
{
    let mut key = None;
    read(trace, Clock::MAX, Some(from), |first, _, _| {
        key = Some(*first);
        Break(())
    });
    key
}
