//! The replay: each worker reads and decodes its share of the inputs and drives it through the graph.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::dataflow::{InputHandle, Stream};
use timely::worker::Worker;
use velodrome_dataflows::{Change, Clock, Inputs, Mode, Rules, Sample, Traces, Tracking, graph};

use super::cluster::{Cluster, ClusterError, start};
use super::gather::{Gathered, gather};
use super::piece::Piece;
use super::plan::Plan;
use super::progress::Progress;
use super::reading::{Intake, read_all};
use super::sequencer::{Counts, Sequencer};
use crate::ingest::dead_letters::DeadLetters;
use crate::results::Results;
use crate::results::summary::Summary;

/// A run that came to no results.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The workers could not be started.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Processes read different inputs or have different rules.
    #[error("the processes have different inputs or rules; give all the same files and --rules")]
    Disagreement,
    /// The rejected lines could not be kept.
    #[error("cannot keep the rejected lines: {0}")]
    DeadLetters(std::io::Error),
    /// A worker came to nothing.
    #[error("a worker was lost")]
    Lost,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The results.
    pub results: Results,
    /// The counts of the run, without what it cost.
    pub summary: Summary,
}

/// Runs the inputs of `plan` through the graph under `rules`, on the workers of `cluster`.
///
/// Rejected lines go to `dead_letters`, which process 0 has; the outcome is process 0's too, in other
/// processes it is `None`.
///
/// # Errors
/// A cluster that does not form or does not agree, rejected lines that cannot be kept.
pub fn replay(
    plan: Plan,
    rules: Rules,
    cluster: &Cluster,
    dead_letters: Option<DeadLetters>,
    progress: &Progress,
) -> Result<Option<Outcome>, ReplayError> {
    let (plan, progress) = (Arc::new(plan), progress.clone());
    let outcome = on_all(cluster, dead_letters, move |worker, letters| {
        run(worker, &plan, &rules, letters, &progress)
    })?;
    Ok(outcome.map(|mut outcome| {
        outcome.summary.workers = cluster.workers * cluster.processes();
        outcome.summary.processes = cluster.processes();
        outcome
    }))
}

/// Does `work` on all workers of `cluster`, with `given` on the first; what that one comes to.
///
/// # Errors
/// A cluster that does not form, a worker that is lost, and those of `work`.
pub(super) fn on_all<G: Send + 'static, T: Send + 'static>(
    cluster: &Cluster,
    given: Option<G>,
    work: impl Fn(&mut Worker, Option<G>) -> Result<Option<T>, ReplayError> + Send + Sync + 'static,
) -> Result<Option<T>, ReplayError> {
    let given = Mutex::new(given);
    let guards = start(cluster, move |worker| {
        let is_first = worker.index() == 0;
        let given =
            is_first.then(|| given.lock().unwrap_or_else(PoisonError::into_inner).take()).flatten();
        work(worker, given)
    })?;
    let mut outcome = None;
    for result in guards.join() {
        outcome = outcome.or(result.map_err(|_| ReplayError::Lost)??);
    }
    Ok(outcome)
}

/// The graph of a replay, on one worker.
struct Graph {
    samples: InputHandle<Clock, CapacityContainerBuilder<Vec<Sample>>>,
    tracking: InputHandle<Clock, CapacityContainerBuilder<Vec<Tracking>>>,
    probe: Handle<Clock>,
    traces: Traces,
}

impl Intake for Graph {
    fn advance_to(&mut self, time: Clock) {
        self.samples.advance_to(time);
        self.tracking.advance_to(time);
    }

    fn take(&mut self, piece: &mut Piece, clocks: &[Clock], until: Clock) {
        let (of_races, of_pages) = piece.stamped(clocks);
        let samples = of_races.filter(|sample| sample.clock <= until);
        samples.for_each(|sample| self.samples.send(sample));
        let tracking = of_pages.filter(|event| event.clock <= until);
        tracking.for_each(|event| self.tracking.send(event));
    }

    fn compact(&mut self) {
        let traces = &mut self.traces;
        self.probe.with_frontier(|frontier| traces.compact(frontier, frontier));
    }
}

/// One worker's part.
fn run(
    worker: &mut Worker,
    plan: &Arc<Plan>,
    rules: &Rules,
    dead_letters: Option<DeadLetters>,
    progress: &Progress,
) -> Result<Option<Outcome>, ReplayError> {
    let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
    let (probe, late) = (Handle::new(), Rc::new(Cell::new(0)));
    let traces = worker.dataflow_named("Graph", |scope| {
        let inputs = Inputs {
            samples: samples.to_stream(scope),
            tracking: tracking.to_stream(scope),
            changes: empty(scope),
            viewed: empty(scope),
            bans: empty(scope),
        };
        let graph = graph(inputs, rules.clone(), Mode::Replay { until: plan.until() });
        count_late(graph.changes, &late).probe_with(&probe);
        graph.arranged.probe_with(&probe);
        graph.traces
    });

    let mut intake = Graph { samples, tracking, probe, traces };
    let sequencer = read_all(worker, plan, dead_letters, progress, &mut intake);
    let Graph { samples, tracking, probe, traces } = intake;
    samples.close();
    tracking.close();
    worker.step_or_park_while(None, || !probe.done());

    let gathered = gather(worker, traces, late.get(), plan.fingerprint());
    let is_first = worker.index() == 0;
    is_first.then(|| conclude(gathered, &mut sequencer.borrow_mut())).transpose()
}

/// Passes changes on, and adds the late events among them to `late`.
pub(super) fn count_late<'scope>(
    changes: Stream<'scope, Clock, Vec<Change>>,
    late: &Rc<Cell<u64>>,
) -> Stream<'scope, Clock, Vec<Change>> {
    let late = Rc::clone(late);
    changes.inspect(move |change| {
        if let Change::Late(count) = change {
            late.set(late.get() + count);
        }
    })
}

/// The outcome, from what came together on worker 0.
fn conclude(gathered: Gathered, sequencer: &mut Sequencer) -> Result<Outcome, ReplayError> {
    if !gathered.agreed() {
        return Err(ReplayError::Disagreement);
    }
    sequencer.finish_letters().map_err(ReplayError::DeadLetters)?;
    let Counts { events, rejected, damaged } = sequencer.counts;
    let summary = Summary {
        events,
        rejected,
        damaged,
        late: gathered.late,
        rides: gathered.results.rides.len() as u64,
        records: gathered.results.record_count(),
        ..Summary::default()
    };
    Ok(Outcome { results: gathered.results, summary })
}
