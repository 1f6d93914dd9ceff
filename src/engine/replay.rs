//! The replay: each worker reads and decodes its share of the inputs and drives it through the graph.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use thiserror::Error;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{Change, Inputs, Mode, graph};

use super::cluster::{Cluster, ClusterError, start};
use super::gather::{Gathered, gather};
use super::piece::{Piece, Reader};
use super::plan::Plan;
use super::progress::Progress;
use super::sequencer::{Counts, Sequencer, Stamps, sequence};
use crate::ingest::dead_letters::DeadLetters;
use crate::results::Results;
use crate::results::summary::Summary;

/// A worker reads ahead of the sequencer until it holds so many bytes of lines: enough that workers
/// can read neighbouring compressed objects side by side.
const AHEAD_BYTES_MAX: usize = 256 << 20;

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

/// Runs the inputs of `plan` through the graph on the workers of `cluster`.
///
/// Rejected lines go to `dead_letters`, which process 0 has; the outcome is process 0's too, in other
/// processes it is `None`.
///
/// # Errors
/// A cluster that does not form or does not agree, rejected lines that cannot be kept.
pub fn replay(
    plan: Plan,
    cluster: &Cluster,
    dead_letters: Option<DeadLetters>,
    progress: &Progress,
) -> Result<Option<Outcome>, ReplayError> {
    let plan = Arc::new(plan);
    let dead_letters = Mutex::new(dead_letters);
    let progress = progress.clone();
    let guards = start(cluster, move |worker| {
        let letters = (worker.index() == 0)
            .then(|| dead_letters.lock().unwrap_or_else(|e| e.into_inner()).take())
            .flatten();
        run(worker, &plan, letters, &progress)
    })?;
    let mut outcome = None;
    for result in guards.join() {
        outcome = outcome.or(result.map_err(|_| ReplayError::Lost)??);
    }
    Ok(outcome.map(|mut outcome| {
        outcome.summary.workers = cluster.workers * cluster.processes();
        outcome.summary.processes = cluster.processes();
        outcome
    }))
}

/// One worker's part.
fn run(
    worker: &mut Worker,
    plan: &Arc<Plan>,
    dead_letters: Option<DeadLetters>,
    progress: &Progress,
) -> Result<Option<Outcome>, ReplayError> {
    let sequencer = Sequencer::new(Arc::clone(plan), worker.peers(), dead_letters);
    let sequencer = Rc::new(RefCell::new(sequencer));
    let (stamps, mut reports) = (Stamps::default(), InputHandle::<u64, _>::new());
    let told_all = worker.dataflow_named("Order", |scope| {
        let reports = reports.to_stream(scope);
        sequence(reports, Rc::clone(&sequencer), Rc::clone(&stamps)).probe().0
    });

    let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
    let (probe, late) = (Handle::new(), Rc::new(Cell::new(0)));
    let mut traces = worker.dataflow_named("Graph", |scope| {
        let inputs = Inputs {
            samples: samples.to_stream(scope),
            tracking: tracking.to_stream(scope),
            changes: empty(scope),
            viewed: empty(scope),
            bans: empty(scope),
        };
        let graph = graph(inputs, plan.rules.clone(), Mode::Replay);
        let late = Rc::clone(&late);
        graph
            .changes
            .inspect(move |change| {
                if let Change::Late(count) = change {
                    late.set(late.get() + count);
                }
            })
            .probe_with(&probe);
        graph.arranged.probe_with(&probe);
        graph.traces
    });

    let mut reports = Some(reports);
    let mut reader: Option<Reader> = None;
    // Pieces that were read, until the clock of their events is known.
    let (mut ahead, mut ahead_bytes) = (VecDeque::<Piece>::new(), 0);
    // Pieces and clocks that were handed over: fresh memory costs more than decoding into it.
    let mut spare: Vec<(Piece, Vec<u64>)> = Vec::new();
    loop {
        for stamp in stamps.borrow_mut().drain(..) {
            samples.advance_to(stamp.time);
            tracking.advance_to(stamp.time);
            let Some(clocks) = stamp.clocks else { continue };
            let Some(mut piece) = ahead.pop_front() else { continue };
            ahead_bytes -= piece.bytes;
            let (of_races, of_pages) = piece.stamped(&clocks);
            of_races.for_each(|sample| samples.send(sample));
            of_pages.for_each(|event| tracking.send(event));
            spare.push((piece, clocks));
        }
        probe.with_frontier(|frontier| traces.compact(frontier, frontier));
        if told_all.done() {
            break;
        }
        let Some(to_sequencer) = reports.as_mut().filter(|_| ahead_bytes < AHEAD_BYTES_MAX) else {
            worker.step_or_park(None);
            continue;
        };
        if reader.is_none() {
            let race_seconds = plan.rules.race_seconds;
            reader = plan.take().map(|(number, unit, input)| {
                Reader::open(number, unit, input, race_seconds, &progress.bytes)
            });
        }
        match &mut reader {
            Some(open) => {
                let (mut piece, times) = spare.pop().unwrap_or_default();
                let report = open.next_piece(&mut piece, times);
                if report.last {
                    reader = None;
                }
                progress.count(piece.samples.len() + piece.tracking.len());
                ahead_bytes += piece.bytes;
                ahead.push_back(piece);
                to_sequencer.send((worker.index(), report));
                // Only a new time hands the report over to another worker.
                to_sequencer.advance_to(to_sequencer.time() + 1);
            }
            None => reports = None,
        }
        worker.step();
    }
    samples.close();
    tracking.close();
    worker.step_or_park_while(None, || !probe.done());

    let gathered = gather(worker, traces, late.get(), plan.fingerprint());
    let is_first = worker.index() == 0;
    is_first.then(|| conclude(gathered, &mut sequencer.borrow_mut())).transpose()
}

/// The outcome, from what came together on worker 0.
fn conclude(gathered: Gathered, sequencer: &mut Sequencer) -> Result<Outcome, ReplayError> {
    if !gathered.agreed() {
        return Err(ReplayError::Disagreement);
    }
    let kept = sequencer.dead_letters.take().map_or(Ok(()), DeadLetters::finish);
    kept.map_err(ReplayError::DeadLetters)?;
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
