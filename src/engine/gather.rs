//! Gathering: at the end of a run, what all workers hold comes together on worker 0.

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
use timely::worker::Worker;
use velodrome_dataflows::{
    BestFinal, ClassId, RaceId, RacerId, Record, RideResult, Traces, ViewCount, read,
};

use crate::results::Results;

/// A row of one worker's share of the results.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Row {
    Record(ClassId, RacerId, Record),
    Ride((ClassId, RaceId, RacerId), RideResult),
    Best(ClassId, RacerId, BestFinal),
    Views(CompactString, ViewCount),
    Late(u64),
    /// The fingerprint of the plan that the worker followed.
    Plan(u64),
}

/// What worker 0 has gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) results: Results,
    pub(super) late: u64,
    /// The fingerprint of each worker's plan.
    plans: Vec<u64>,
}

impl Gathered {
    fn take(&mut self, row: Row) {
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
            Row::Plan(fingerprint) => self.plans.push(fingerprint),
        }
    }

    /// Puts what came from several workers in order.
    fn sort(&mut self) {
        for racers in self.results.records.values_mut() {
            racers.sort_unstable_by_key(|(racer, _)| *racer);
        }
        self.results.rides.sort_unstable_by_key(|(ride, _)| *ride);
    }

    /// Whether all workers followed the same plan.
    pub(super) fn agreed(&self) -> bool {
        self.plans.iter().all(|plan| Some(plan) == self.plans.first())
    }
}

/// Where rows go in.
pub(super) type Rows<R> = InputHandle<u64, CapacityContainerBuilder<Vec<R>>>;

/// The sink's output is its frontier alone.
type NoOutput = CapacityContainerBuilder<Vec<()>>;

/// Sends all that `traces` hold to worker 0, where it is returned; elsewhere the answer is empty.
pub(super) fn gather(worker: &mut Worker, traces: Traces, late: u64, plan: u64) -> Gathered {
    let send_all = |rows: &mut Rows<Row>| {
        rows.send(Row::Plan(plan));
        rows.send(Row::Late(late));
        send(traces, rows);
    };
    let mut gathered = to_first(worker, send_all, Gathered::take);
    gathered.sort();
    gathered
}

/// Sends rows of all workers to worker 0, where `take` gathers them in what is returned; elsewhere that is empty.
pub(super) fn to_first<R: ExchangeData + Clone, G: Default + 'static>(
    worker: &mut Worker,
    send: impl FnOnce(&mut Rows<R>),
    take: impl Fn(&mut G, R) + 'static,
) -> G {
    let gathered = Rc::new(RefCell::new(G::default()));
    let sink = Rc::clone(&gathered);
    let mut rows = InputHandle::<u64, _>::new();
    let probe = worker.dataflow_named("Gather", |scope| {
        let stream = rows.to_stream(scope);
        let sink =
            stream.unary::<NoOutput, _, _, _>(Exchange::new(|_: &R| 0), "Gather", move |_, _| {
                move |input, _| {
                    input.for_each(|_, rows: &mut Vec<R>| {
                        rows.drain(..).for_each(|row| take(&mut sink.borrow_mut(), row));
                    });
                }
            });
        sink.probe().0
    });
    send(&mut rows);
    rows.close();
    worker.step_or_park_while(None, || !probe.done());
    gathered.take()
}

fn send(mut traces: Traces, rows: &mut Rows<Row>) {
    let end = u64::MAX;
    read(&mut traces.records, end, None, |(class, racer), (), record| {
        rows.send(Row::Record(*class, *racer, record));
        Continue(())
    });
    read(&mut traces.results, end, None, |(class, race), (racer, result), _| {
        rows.send(Row::Ride((*class, *race, *racer), RideResult::clone(result)));
        Continue(())
    });
    read(&mut traces.leaderboard, end, None, |(class, racer), (), best| {
        rows.send(Row::Best(*class, *racer, best));
        Continue(())
    });
    read(&mut traces.views, end, None, |project, (), count| {
        rows.send(Row::Views(project.clone(), count));
        Continue(())
    });
}
