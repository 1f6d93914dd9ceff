//! The comparison: one pass over the inputs under two sets of rules, and what differs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{
    Census, ClassId, Clock, Difference, Rules, Sample, Side, census, difference, sides,
};

use super::cluster::Cluster;
use super::gather::{Rows, to_first};
use super::piece::Piece;
use super::plan::Plan;
use super::progress::Progress;
use super::reading::{Intake, read_all};
use super::replay::{ReplayError, count_late, on_all};
use super::sequencer::Counts;
use crate::compare::{self, Changes, ClassCounts, written};
use crate::ingest::dead_letters::DeadLetters;

/// What a comparison came to, but for the changes themselves.
#[derive(Debug)]
pub struct Compared {
    /// What wrote the changes.
    pub changes: Changes,
    /// What was counted of them, by class; classes without a change are not there.
    pub counts: BTreeMap<ClassId, ClassCounts>,
    /// How much both sides hold, by class.
    pub census: BTreeMap<ClassId, Census>,
    /// Events taken.
    pub events: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// Inputs whose end was lost to damage.
    pub damaged: u64,
    /// Events that were late under the old rules, and under the new ones.
    pub late: [u64; 2],
}

/// Runs the inputs of `plan` through the graph under the old rules and the new ones at once, on the workers of
/// `cluster`, and tells `changes` what differs.
///
/// Rejected lines go to `outputs`' dead letters, which process 0 has with the changes; the outcome is process 0's
/// too, in other processes it is `None`.
///
/// # Errors
/// A cluster that does not form or does not agree, rejected lines that cannot be kept.
pub fn compare(
    plan: Plan,
    rules: [Rules; 2],
    cluster: &Cluster,
    outputs: Option<(DeadLetters, Changes)>,
    progress: &Progress,
) -> Result<Option<Compared>, ReplayError> {
    let (plan, progress) = (Arc::new(plan), progress.clone());
    on_all(cluster, outputs, move |worker, outputs| run(worker, &plan, &rules, outputs, &progress))
}

/// The graphs of both sides, on one worker.
struct Graphs {
    samples: InputHandle<Clock, CapacityContainerBuilder<Vec<Sample>>>,
    probe: Handle<Clock>,
    sides: [Side; 2],
}

impl Intake for Graphs {
    fn advance_to(&mut self, time: Clock) {
        self.samples.advance_to(time);
    }

    /// Views do not depend on rules: what is of pages is left out.
    fn take(&mut self, piece: &mut Piece, clocks: &[Clock], until: Clock) {
        let (of_races, of_pages) = piece.stamped(clocks);
        drop(of_pages);
        let samples = of_races.filter(|sample| sample.clock <= until);
        samples.for_each(|sample| self.samples.send(sample));
    }

    fn compact(&mut self) {
        let sides = &mut self.sides;
        self.probe.with_frontier(|frontier| {
            sides.iter_mut().for_each(|side| side.compact(frontier));
        });
    }
}

/// One worker's part.
fn run(
    worker: &mut Worker,
    plan: &Arc<Plan>,
    rules: &[Rules; 2],
    outputs: Option<(DeadLetters, Changes)>,
    progress: &Progress,
) -> Result<Option<Compared>, ReplayError> {
    let (dead_letters, changes) = outputs.unzip();
    let (mut samples, probe) = (InputHandle::new(), Handle::new());
    let late = [(); 2].map(|()| Rc::new(Cell::new(0)));
    let sides = worker.dataflow_named("Graphs", |scope| {
        let [old, new] = sides(samples.to_stream(scope), rules.clone(), plan.until());
        let [late_old, late_new] = &late;
        [(old, late_old), (new, late_new)].map(|(graph, late)| {
            count_late(graph.changes, late).probe_with(&probe);
            graph.arranged.probe_with(&probe);
            graph.side
        })
    });

    let mut intake = Graphs { samples, probe, sides };
    let sequencer = read_all(worker, plan, dead_letters, progress, &mut intake);
    let Graphs { samples, probe, mut sides } = intake;
    samples.close();
    worker.step_or_park_while(None, || !probe.done());

    let census = census(&mut sides);
    let (changes, counts) = tell(worker, sides, changes);
    let (plan, late) = (plan.fingerprint(), late.map(|late| late.get()));
    let share = Share { plan, late, census, counts };
    let all = to_first(worker, |rows: &mut Rows<Share>| rows.send(share), All::take);
    // On worker 0 alone.
    let Some(changes) = changes else { return Ok(None) };
    if all.plans.iter().any(|plan| Some(plan) != all.plans.first()) {
        return Err(ReplayError::Disagreement);
    }
    let mut sequencer = sequencer.borrow_mut();
    sequencer.finish_letters().map_err(ReplayError::DeadLetters)?;
    let Counts { events, rejected, damaged } = sequencer.counts;
    let All { late, census, counts, .. } = all;
    Ok(Some(Compared { changes, counts, census, events, rejected, damaged, late }))
}

/// Tells what differs between the sides to `changes`, which worker 0 has, and what this worker counted of it.
fn tell(
    worker: &mut Worker,
    sides: [Side; 2],
    changes: Option<Changes>,
) -> (Option<Changes>, BTreeMap<ClassId, ClassCounts>) {
    let changes = Rc::new(RefCell::new(changes));
    let counts = Rc::new(RefCell::new(compare::Counts::default()));
    let (sink, counting) = (Rc::clone(&changes), Rc::clone(&counts));
    let probe = worker.dataflow_named("Differences", |scope| {
        let tell = move |board, differences: &[Difference]| {
            differences.iter().for_each(|difference| counting.borrow_mut().take(difference));
            written(board, differences)
        };
        difference(scope, sides, tell)
            .inspect(move |(board, written)| {
                if let Some(changes) = sink.borrow_mut().as_mut() {
                    changes.take(*board, written);
                }
            })
            .probe()
            .0
    });
    worker.step_or_park_while(None, || !probe.done());
    (changes.take(), counts.take().into_classes())
}

/// One worker's share of what is counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Share {
    /// The fingerprint of the plan that the worker followed.
    plan: u64,
    late: [u64; 2],
    census: BTreeMap<ClassId, Census>,
    counts: BTreeMap<ClassId, ClassCounts>,
}

/// The shares of all workers.
#[derive(Default)]
struct All {
    plans: Vec<u64>,
    late: [u64; 2],
    census: BTreeMap<ClassId, Census>,
    counts: BTreeMap<ClassId, ClassCounts>,
}

impl All {
    fn take(&mut self, share: Share) {
        self.plans.push(share.plan);
        self.late.iter_mut().zip(share.late).for_each(|(sum, late)| *sum += late);
        for (class, census) in share.census {
            self.census.entry(class).or_default().add(census);
        }
        for (class, counts) in share.counts {
            self.counts.entry(class).or_default().add(counts);
        }
    }
}
