//! Gathers the results of all workers on worker 0, at the end of a run.

use std::cell::RefCell;
use std::ops::ControlFlow::Continue;
use std::rc::Rc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use timely::ExchangeData;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::generic::Operator;
use velodrome_dataflows::{
    BestFinal, ClassId, RaceId, RacerId, Record, RideResult, Traces, ViewCount, read_trace,
};

use super::run::{RunError, RunWorker};
use crate::results::Results;

/// One row of a worker's results.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Row {
    Record(ClassId, RacerId, Record),
    Ride((ClassId, RaceId, RacerId), RideResult),
    Best(ClassId, RacerId, BestFinal),
    Views(CompactString, ViewCount),
    Late(u64),
}

/// The results of all workers, on worker 0.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) results: Results,
    pub(super) late: u64,
}

impl Gathered {
    fn add(&mut self, row: Row) {
        let results = &mut self.results;
        match row {
            Row::Record(class, racer, record) => {
                results.records.entry(class).or_default().push((racer, record));
            }
            Row::Ride(ride, result) => results.rides.push((ride, result)),
            Row::Best(class, racer, best) => {
                results.leaderboard.entry(class).or_default().insert(racer, best);
            }
            Row::Views(project, count) => {
                results.views.insert(project.into_string(), count);
            }
            Row::Late(count) => self.late += count,
        }
    }

    /// Sorts the rows, which arrive from several workers in any order.
    fn sort(&mut self) {
        for racers in self.results.records.values_mut() {
            racers.sort_unstable_by_key(|(racer, _)| *racer);
        }
        self.results.rides.sort_unstable_by_key(|(ride, _)| *ride);
    }
}

/// The dataflow input for the rows to gather.
pub(super) type RowInput<R> = InputHandle<u64, CapacityContainerBuilder<Vec<R>>>;

/// The operator has no output records, only a frontier.
type NoOutput = CapacityContainerBuilder<Vec<()>>;

/// Sends the contents of `traces` to worker 0. Returns the results of all workers on worker 0, and empty
/// results on the others.
///
/// # Errors
/// When the run has failed.
pub(super) fn gather(
    worker: &mut RunWorker<'_>,
    traces: Traces,
    late: u64,
) -> Result<Gathered, RunError> {
    let send_all = |rows: &mut RowInput<Row>| {
        rows.send(Row::Late(late));
        send_traces(traces, rows);
    };
    let mut gathered = gather_rows(worker, send_all, Gathered::add)?;
    gathered.sort();
    Ok(gathered)
}

/// Sends the rows of all workers to worker 0, where `add` adds each to the returned value. On other
/// workers the value is the default.
///
/// # Errors
/// When the run has failed.
pub(super) fn gather_rows<R: ExchangeData + Clone, G: Default + 'static>(
    worker: &mut RunWorker<'_>,
    send: impl FnOnce(&mut RowInput<R>),
    add: impl Fn(&mut G, R) + 'static,
) -> Result<G, RunError> {
    let gathered = Rc::new(RefCell::new(G::default()));
    let sink = Rc::clone(&gathered);
    let mut rows = InputHandle::<u64, _>::new();
    let probe = worker.dataflow_named("Gather", |scope| {
        let stream = rows.to_stream(scope);
        let sink =
            stream.unary::<NoOutput, _, _, _>(Exchange::new(|_: &R| 0), "Gather", move |_, _| {
                move |input, _| {
                    input.for_each(|_, rows: &mut Vec<R>| {
                        rows.drain(..).for_each(|row| add(&mut sink.borrow_mut(), row));
                    });
                }
            });
        sink.probe().0
    });
    send(&mut rows);
    rows.close();
    worker.complete(&probe)?;
    Ok(gathered.take())
}

/// Sends the records, results, leaderboard and views in `traces`.
fn send_traces(mut traces: Traces, rows: &mut RowInput<Row>) {
    let end = u64::MAX;
    read_trace(&mut traces.records, end, None, |(class, racer), (), record| {
        rows.send(Row::Record(*class, *racer, record));
        Continue(())
    });
    read_trace(&mut traces.results, end, None, |(class, race), (racer, result), _| {
        rows.send(Row::Ride((*class, *race, *racer), RideResult::clone(result)));
        Continue(())
    });
    read_trace(&mut traces.leaderboard, end, None, |(class, racer), (), best| {
        rows.send(Row::Best(*class, *racer, best));
        Continue(())
    });
    read_trace(&mut traces.views, end, None, |project, (), count| {
        rows.send(Row::Views(project.clone(), count));
        Continue(())
    });
}
