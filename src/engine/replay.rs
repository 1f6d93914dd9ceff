//! The replay: runs the inputs through the graph and gathers the results.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{EventTime, Inputs, Mode, Rules, Sample, Traces, Tracking, graph};

use super::cluster::Members;
use super::decoded_batch::DecodedBatch;
use super::gather::{Gathered, gather};
use super::plan::Plan;
use super::reading::{RunGraph, read_all};
use super::run::{RunError, RunWorker, count_late, run_on_workers};
use super::run_progress::RunProgress;
use super::sequencer::{LineCounts, Sequencer};
use crate::ingest::dead_letters::DeadLetterFile;
use crate::results::Results;
use crate::results::summary::Summary;

/// The outcome of a replay.
#[derive(Debug)]
pub struct ReplayOutcome {
    /// The results.
    pub results: Results,
    /// The counts of the run. The caller adds run time and memory.
    pub summary: Summary,
}

/// Runs the inputs of `plan` through the graph under `rules`, on the workers of `members`.
///
/// Only process 0 passes `dead_letters`, the file of rejected lines, and only process 0 returns an
/// outcome.
///
/// # Errors
/// When the workers cannot start, when a worker or a process is lost, and when the rejected lines cannot be
/// written.
pub fn replay(
    plan: Plan,
    rules: Rules,
    members: &mut Members,
    dead_letters: Option<DeadLetterFile>,
    progress: &RunProgress,
) -> Result<Option<ReplayOutcome>, RunError> {
    let (plan, progress) = (Arc::new(plan), progress.clone());
    let outcome = run_on_workers(members, dead_letters, move |worker, dead_letters| {
        run(worker, &plan, &rules, dead_letters, &progress)
    })?;
    let cluster = members.cluster();
    Ok(outcome.map(|mut outcome| {
        outcome.summary.workers = cluster.workers * cluster.processes();
        outcome.summary.processes = cluster.processes();
        outcome
    }))
}

/// The graph of a replay, on one worker.
struct ReplayGraph {
    samples: InputHandle<EventTime, CapacityContainerBuilder<Vec<Sample>>>,
    tracking: InputHandle<EventTime, CapacityContainerBuilder<Vec<Tracking>>>,
    probe: Handle<EventTime>,
    traces: Traces,
}

impl RunGraph for ReplayGraph {
    fn advance_to(&mut self, time: EventTime) {
        self.samples.advance_to(time);
        self.tracking.advance_to(time);
    }

    fn send(&mut self, batch: &mut DecodedBatch, event_times: &[EventTime], until: EventTime) {
        let (samples, tracking) = batch.drain_stamped(event_times);
        let samples = samples.filter(|sample| sample.clock <= until);
        samples.for_each(|sample| self.samples.send(sample));
        let tracking = tracking.filter(|event| event.clock <= until);
        tracking.for_each(|event| self.tracking.send(event));
    }

    fn compact(&mut self) {
        let traces = &mut self.traces;
        self.probe.with_frontier(|frontier| traces.compact(frontier, frontier));
    }
}

/// Runs one worker of a replay.
fn run(
    mut worker: RunWorker<'_>,
    plan: &Arc<Plan>,
    rules: &Rules,
    dead_letters: Option<DeadLetterFile>,
    progress: &RunProgress,
) -> Result<Option<ReplayOutcome>, RunError> {
    let late = Rc::new(Cell::new(0));
    let mut graph = build(&mut worker, plan, rules, &late);
    let sequencer = read_all(&mut worker, plan, dead_letters, progress, &mut graph)?;
    let ReplayGraph { samples, tracking, probe, traces } = graph;
    samples.close();
    tracking.close();
    worker.complete(&probe)?;

    let gathered = gather(&mut worker, traces, late.get())?;
    let is_first = worker.index() == 0;
    is_first.then(|| conclude(gathered, &mut sequencer.borrow_mut())).transpose()
}

/// Builds the graph of a replay. It adds its number of late events to `late`.
fn build(worker: &mut Worker, plan: &Plan, rules: &Rules, late: &Rc<Cell<u64>>) -> ReplayGraph {
    let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
    let probe = Handle::new();
    let traces = worker.dataflow_named("Graph", |scope| {
        let inputs = Inputs {
            samples: samples.to_stream(scope),
            tracking: tracking.to_stream(scope),
            saved_changes: empty(scope),
            saved_views: empty(scope),
            bans: empty(scope),
        };
        let graph = graph(inputs, rules.clone(), Mode::Replay { until: plan.until() });
        count_late(graph.changes, late).probe_with(&probe);
        graph.arranged.probe_with(&probe);
        graph.traces
    });
    ReplayGraph { samples, tracking, probe, traces }
}

/// The outcome of a replay, on worker 0.
fn conclude(gathered: Gathered, sequencer: &mut Sequencer) -> Result<ReplayOutcome, RunError> {
    let rejections = sequencer.finish_dead_letters().map_err(RunError::DeadLetters)?;
    let LineCounts { events, rejected, damaged } = sequencer.counts;
    let summary = Summary {
        events,
        rejected,
        damaged,
        rejections,
        late: gathered.late,
        rides: gathered.results.rides.len() as u64,
        records: gathered.results.record_count(),
        ..Summary::default()
    };
    Ok(ReplayOutcome { results: gathered.results, summary })
}
