//! Boards: what two sides hold, told page by page so that it is never in memory as rows all at once.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

use differential_dataflow::trace::cursor::BatchCursor;
use differential_dataflow::trace::{Cursor, Navigable, TraceReader};
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use crate::curve::Record;
use crate::event::{ClassId, Clock, RaceId, RacerId};
use crate::output::Output;
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

/// A row with its board and racer.
pub(crate) type Placed = (Board, RacerId, Row);

/// Tells this worker's rows of either side, page after page, ascending: page 0 of a class is its leaderboard and
/// its races, page s its board of second s. Of a class only the curves are held, which are the traces' own.
///
/// `done` is the way back from where the pages end: a page is told only once its frontier has come past it. The
/// times of the streams are pages.
pub(crate) fn boards<'scope>(
    done: Stream<'scope, u64, Vec<()>>,
    sides: [Side; 2],
) -> [Stream<'scope, u64, Vec<Placed>>; 2] {
    let mut builder = OperatorBuilder::new("Boards".to_owned(), done.scope());
    let mut done = builder.new_input(done, Pipeline);
    let (of_old, old_rows) = builder.new_output();
    let (of_new, new_rows) = builder.new_output();
    let mut outputs = [of_old, of_new].map(OutputBuilder::<_, CapacityContainerBuilder<_>>::from);
    builder.build(move |mut capabilities| {
        let mut pages = Pages::new(sides);
        move |frontiers| {
            done.for_each(|_, _| {});
            let mut sessions = outputs.each_mut().map(|output| output.activate());
            while let Some((page, class)) = pages.peek() {
                capabilities.iter_mut().for_each(|capability| capability.downgrade(&page));
                if frontiers.iter().any(|frontier| frontier.less_equal(&page)) {
                    return;
                }
                for ((side, output), capability) in
                    class.iter().zip(&mut sessions).zip(&capabilities)
                {
                    let mut session = output.session(capability);
                    side.rows(page, |row| session.give(row));
                }
                pages.turn();
            }
            capabilities.clear();
        }
    });
    [old_rows, new_rows]
}

/// The pages of two sides, and which one comes next.
struct Pages {
    sides: [Side; 2],
    /// The class whose pages are told.
    class: Option<(ClassId, [Class; 2])>,
    /// The page within the class.
    second: u16,
    /// Classes before it are told.
    from: Option<ClassId>,
}

impl Pages {
    fn new(sides: [Side; 2]) -> Self {
        Self { sides, class: None, second: 0, from: Some(0) }
    }

    /// The next page and what either side holds of its class.
    fn peek(&mut self) -> Option<(u64, &[Class; 2])> {
        if self.class.is_none() {
            let from = self.from?;
            let next = self.sides.iter_mut().filter_map(|side| side.class(from)).min()?;
            self.class = Some((next, self.sides.each_mut().map(|side| side.open(next))));
            self.from = next.checked_add(1);
        }
        let (class, sides) = self.class.as_ref()?;
        Some((u64::from(*class) * CLASS_PAGES + u64::from(self.second), sides))
    }

    /// Goes on to the page behind the next one.
    fn turn(&mut self) {
        self.second += 1;
        let seconds = self.class.iter().flat_map(|(_, sides)| sides).map(Class::seconds).max();
        if self.second > seconds.unwrap_or(0) {
            (self.class, self.second) = (None, 0);
        }
    }
}

/// What one side holds of a class, racers ascending.
struct Class {
    id: ClassId,
    /// The rows of its leaderboard and its races.
    first: Vec<Placed>,
    curves: Vec<(RacerId, Record)>,
}

impl Class {
    fn seconds(&self) -> u16 {
        self.curves.iter().map(|(_, curve)| curve.seconds()).max().unwrap_or(0)
    }

    fn rows(&self, page: u64, mut tell: impl FnMut(Placed)) {
        let second = u16::try_from(page % CLASS_PAGES).unwrap_or(0);
        if second == 0 {
            return self.first.iter().cloned().for_each(tell);
        }
        for (racer, curve) in &self.curves {
            if let Some(output) = curve.get(second) {
                tell((Board::Second(self.id, second), *racer, Row::Record(Output(output))));
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

    fn open(&mut self, id: ClassId) -> Class {
        let (mut rows, mut curves) = (Vec::new(), Vec::new());
        let end = Clock::MAX;
        read(&mut self.leaderboard, end, Some(&(id, 0)), |(class, racer), (), best| {
            if *class != id {
                return Break(());
            }
            rows.push((Board::Leaderboard(id), *racer, Row::Best(best.output, best.race)));
            Continue(())
        });
        read(&mut self.results, end, Some(&(id, 0)), |(class, race), (racer, result), _| {
            if *class != id {
                return Break(());
            }
            rows.push((Board::Race(id, *race), *racer, Row::Result(Arc::clone(result))));
            Continue(())
        });
        read(&mut self.records, end, Some(&(id, 0)), |(class, racer), (), record| {
            if *class != id {
                return Break(());
            }
            curves.push((*racer, record));
            Continue(())
        });
        Class { id, first: rows, curves }
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
