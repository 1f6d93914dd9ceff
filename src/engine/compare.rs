//! The comparison: runs the inputs under two sets of rules in one pass and writes the differences.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{
    ClassId, ClassTotals, ComparisonTraces, EventTime, Rules, Sample, class_totals,
    comparison_graph,
};

use super::cluster::Members;
use super::decoded_batch::DecodedBatch;
use super::differences::{gather_names, write_differences};
use super::gather::{RowInput, gather_rows};
use super::plan::Plan;
use super::reading::{RunGraph, read_all};
use super::run::{RunError, RunWorker, count_late, run_on_workers};
use super::run_progress::RunProgress;
use super::sequencer::{LineCounts, Sequencer};
use crate::compare::{ChangeFiles, ClassChanges, Ranks};
use crate::ingest::dead_letters::DeadLetterFile;
use crate::ingest::rejections::Rejections;

/// The outcome of a comparison.
#[derive(Debug)]
pub struct ComparisonOutcome {
    /// The writer of the change files. All files are complete.
    pub changes: ChangeFiles,
    /// The changes that a summary mentions, by class. Classes without a change are absent.
    pub classes: BTreeMap<ClassId, ClassChanges>,
    /// The sizes of the results under the old and the new rules, by class.
    pub totals: BTreeMap<ClassId, ClassTotals>,
    /// Accepted events.
    pub events: u64,
    /// Rejected lines.
    pub rejected: u64,
    /// Inputs that were not read to their end because they are damaged.
    pub damaged: u64,
    /// Why lines were rejected, and which inputs are damaged.
    pub rejections: Rejections,
    /// Late events under the old rules, and under the new rules.
    pub late: [u64; 2],
}

/// What to compare, and which changed records to write.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The old and the new rules.
    pub rules: [Rules; 2],
    /// The records to write.
    pub ranks: Ranks,
}

/// Runs the inputs of `plan` through the graph under the old and the new rules at once, on the workers
/// of `members`, and writes the differences.
///
/// Only process 0 passes `outputs`, the files of rejected lines and of changes, and only process 0
/// returns an outcome.
///
/// # Errors
/// When the workers cannot start, when a worker or a process is lost, and when the rejected lines cannot be
/// written.
pub fn compare(
    plan: Plan,
    comparison: Comparison,
    members: &mut Members,
    outputs: Option<(DeadLetterFile, ChangeFiles)>,
    progress: &RunProgress,
) -> Result<Option<ComparisonOutcome>, RunError> {
    let (plan, progress) = (Arc::new(plan), progress.clone());
    run_on_workers(members, outputs, move |worker, outputs| {
        run(worker, &plan, &comparison, outputs, &progress)
    })
}

/// The graphs under the old and the new rules, on one worker.
struct ComparisonRunGraph {
    samples: InputHandle<EventTime, CapacityContainerBuilder<Vec<Sample>>>,
    probe: Handle<EventTime>,
    traces: [ComparisonTraces; 2],
}

impl RunGraph for ComparisonRunGraph {
    fn advance_to(&mut self, time: EventTime) {
        self.samples.advance_to(time);
    }

    /// Sends the race events. Views do not depend on rules, so tracking events are dropped.
    fn send(&mut self, batch: &mut DecodedBatch, event_times: &[EventTime], until: EventTime) {
        let (samples, tracking) = batch.drain_stamped(event_times);
        drop(tracking);
        let samples = samples.filter(|sample| sample.clock <= until);
        samples.for_each(|sample| self.samples.send(sample));
    }

    fn compact(&mut self) {
        let traces = &mut self.traces;
        self.probe.with_frontier(|frontier| {
            traces.iter_mut().for_each(|traces| traces.compact(frontier));
        });
    }
}

/// Runs one worker of a comparison.
fn run(
    mut worker: RunWorker<'_>,
    plan: &Arc<Plan>,
    Comparison { rules, ranks }: &Comparison,
    outputs: Option<(DeadLetterFile, ChangeFiles)>,
    progress: &RunProgress,
) -> Result<Option<ComparisonOutcome>, RunError> {
    let (dead_letters, changes) = outputs.unzip();
    let late = [(); 2].map(|()| Rc::new(Cell::new(0)));
    let mut input = build(&mut worker, plan, rules, &late);
    let sequencer = read_all(&mut worker, plan, dead_letters, progress, &mut input)?;
    let ComparisonRunGraph { samples, probe, mut traces } = input;
    samples.close();
    worker.complete(&probe)?;

    let totals = class_totals(&mut traces);
    let names = traces.each_ref().map(|traces| traces.names.clone());
    let (changes, mut classes) = write_differences(&mut worker, traces, *ranks, changes)?;
    let listed = classes
        .iter_mut()
        .flat_map(|(class, changes)| changes.racers().into_iter().map(|racer| (*class, racer)));
    let listed = listed.collect();
    let names = gather_names(&mut worker, names, listed)?;
    let share = Share { late: late.map(|late| late.get()), totals, classes };
    let send = |rows: &mut RowInput<Share>| rows.send(share);
    let mut gathered = gather_rows(&mut worker, send, Gathered::add)?;
    for (class, changes) in &mut gathered.classes {
        changes.set_names(|racer| names.get(&(*class, racer)).cloned());
    }
    // Only worker 0 has the files of changes.
    let conclude = |changes| gathered.conclude(changes, &mut sequencer.borrow_mut());
    changes.map(conclude).transpose()
}

/// Builds the graphs under the old and the new rules. They add their numbers of late events to `late`.
fn build(
    worker: &mut Worker,
    plan: &Plan,
    rules: &[Rules; 2],
    late: &[Rc<Cell<u64>>; 2],
) -> ComparisonRunGraph {
    let (mut samples, probe) = (InputHandle::new(), Handle::new());
    let traces = worker.dataflow_named("Graphs", |scope| {
        let [old, new] = comparison_graph(samples.to_stream(scope), rules.clone(), plan.until());
        let [late_old, late_new] = late;
        [(old, late_old), (new, late_new)].map(|(graph, late)| {
            count_late(graph.changes, late).probe_with(&probe);
            graph.arranged.probe_with(&probe);
            graph.traces
        })
    });
    ComparisonRunGraph { samples, probe, traces }
}

/// The part of one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Share {
    late: [u64; 2],
    totals: BTreeMap<ClassId, ClassTotals>,
    classes: BTreeMap<ClassId, ClassChanges>,
}

/// The parts of all workers, on worker 0.
#[derive(Default)]
struct Gathered {
    late: [u64; 2],
    totals: BTreeMap<ClassId, ClassTotals>,
    classes: BTreeMap<ClassId, ClassChanges>,
}

impl Gathered {
    fn add(&mut self, share: Share) {
        self.late.iter_mut().zip(share.late).for_each(|(sum, late)| *sum += late);
        for (class, totals) in share.totals {
            self.totals.entry(class).or_default().add(totals);
        }
        for (class, changes) in share.classes {
            self.classes.entry(class).or_default().add(changes);
        }
    }

    /// The outcome of the comparison, with the rejected lines completely written.
    fn conclude(
        self,
        changes: ChangeFiles,
        sequencer: &mut Sequencer,
    ) -> Result<ComparisonOutcome, RunError> {
        let rejections = sequencer.finish_dead_letters().map_err(RunError::DeadLetters)?;
        let LineCounts { events, rejected, damaged } = sequencer.counts;
        let Self { late, totals, classes } = self;
        Ok(ComparisonOutcome {
            changes,
            classes,
            totals,
            events,
            rejected,
            damaged,
            rejections,
            late,
        })
    }
}
