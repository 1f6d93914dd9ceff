//! The read loop of a worker: reads batches ahead, and sends their events into the graph at the times
//! that the sequencer assigns.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::InputHandle;
use timely::dataflow::operators::probe::Probe;
use velodrome_dataflows::EventTime;

use super::batch_reader::{BATCH_BYTES, BatchReader};
use super::batch_report::BatchReport;
use super::decoded_batch::DecodedBatch;
use super::known_rides::KnownRides;
use super::merged_reader::MergedReader;
use super::plan::Plan;
use super::run::{RunError, RunWorker};
use super::run_progress::RunProgress;
use super::sequencer::Sequencer;
use super::sequencer_dataflow::{TimesQueue, sequence};
use crate::ingest::dead_letters::DeadLetterFile;

/// A worker reads ahead of the sequencer until its batches have this many bytes of lines. This is enough
/// for several workers to read neighbouring compressed objects at the same time.
const AHEAD_BYTES_MAX: usize = 256 << 20;

/// The graph of a run, on one worker.
pub(super) trait RunGraph {
    /// Advances the inputs to a logical time, which is later than all previous ones.
    fn advance_to(&mut self, time: EventTime);

    /// Sends the events whose clock is at most `until`, and empties the batch. `event_times` has the
    /// clock for each time mark of the batch.
    fn send(&mut self, batch: &mut DecodedBatch, event_times: &[EventTime], until: EventTime);

    /// Allows the traces to compact up to the complete time.
    fn compact(&mut self);
}

/// Reads this worker's share of `plan` into `input`. Returns when all workers have read all events up to
/// the end of the plan. The returned sequencer has the line counts, on worker 0 only.
///
/// # Errors
/// When the run has failed.
pub(super) fn read_all(
    worker: &mut RunWorker<'_>,
    plan: &Arc<Plan>,
    dead_letters: Option<DeadLetterFile>,
    progress: &RunProgress,
    input: &mut impl RunGraph,
) -> Result<Rc<RefCell<Sequencer>>, RunError> {
    let sequencer = Sequencer::new(Arc::clone(plan), worker.peers(), dead_letters);
    let sequencer = Rc::new(RefCell::new(sequencer));
    let (queue, mut reports) = (TimesQueue::default(), InputHandle::<u64, _>::new());
    let assigned = worker.dataflow_named("Sequencer", |scope| {
        let reports = reports.to_stream(scope);
        sequence(reports, Rc::clone(&sequencer), Rc::clone(&queue)).probe().0
    });

    let mut reports = Some(reports);
    let merged = (worker.index() == 0 && plan.is_merged())
        .then(|| MergedReader::start(plan, &progress.bytes));
    let mut read_ahead = ReadAhead::new(plan, progress, merged);
    loop {
        for times in queue.borrow_mut().drain(..) {
            input.advance_to(times.logical_time);
            times.opened.iter().for_each(|ride| read_ahead.known.insert(*ride));
            if let Some(event_times) = times.event_times {
                read_ahead.send_next(input, event_times);
            }
            if times.is_last {
                read_ahead.stop();
                reports = None;
            }
        }
        input.compact();
        if assigned.done() {
            return Ok(sequencer);
        }
        let Some(open) = reports.as_mut().filter(|_| read_ahead.has_room()) else {
            worker.step_or_park()?;
            continue;
        };
        match read_ahead.read() {
            Some(report) => {
                open.send((worker.index(), report));
                // Advance after every report: timely sends an input's buffered records to other workers
                // only then.
                open.advance_to(open.time() + 1);
            }
            None => reports = None,
        }
        worker.step()?;
    }
}

/// The batches that a worker has read and that wait for their times from the sequencer.
struct ReadAhead<'a> {
    plan: &'a Plan,
    progress: &'a RunProgress,
    reader: Option<BatchReader>,
    /// The reader of all partitions, if this worker merges them.
    merged: Option<MergedReader>,
    /// The batches in the order in which they were read, and the bytes of their lines.
    batches: VecDeque<DecodedBatch>,
    bytes: usize,
    /// Rides whose events need no decision of the sequencer.
    known: KnownRides,
    /// Empty batches for reuse, because allocating their memory again costs more than decoding into it.
    spare: Vec<(DecodedBatch, Vec<u64>)>,
}

impl<'a> ReadAhead<'a> {
    fn new(plan: &'a Plan, progress: &'a RunProgress, merged: Option<MergedReader>) -> Self {
        let (batches, spare) = (VecDeque::new(), Vec::new());
        let known = KnownRides::none();
        Self { plan, progress, reader: None, merged, batches, bytes: 0, known, spare }
    }

    fn has_room(&self) -> bool {
        self.bytes < AHEAD_BYTES_MAX
    }

    /// Reads the next batch and returns its report, or `None` when no unit is left.
    fn read(&mut self) -> Option<BatchReport> {
        let (mut batch, time_marks) = self.spare.pop().unwrap_or_default();
        let report = match &mut self.merged {
            Some(merged) => merged.read(&mut batch, time_marks, &self.known)?,
            None => self.read_unit(&mut batch, time_marks)?,
        };
        self.progress.count_events(batch.samples.len() + batch.tracking.len());
        self.bytes += batch.bytes;
        self.batches.push_back(batch);
        Some(report)
    }

    fn read_unit(&mut self, batch: &mut DecodedBatch, time_marks: Vec<u64>) -> Option<BatchReport> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => {
                let (number, unit, input) = self.plan.next_unit()?;
                let (race_seconds, bytes) = (self.plan.race_seconds, &self.progress.bytes);
                none.insert(BatchReader::open(number, unit, input, race_seconds, bytes))
            }
        };
        let report = reader.read(batch, time_marks, BATCH_BYTES, &self.known);
        if report.is_last {
            self.reader = None;
        }
        Some(report)
    }

    /// Sends the oldest batch into `input` with the clocks of its events.
    fn send_next(&mut self, input: &mut impl RunGraph, event_times: Vec<u64>) {
        let Some(mut batch) = self.batches.pop_front() else { return };
        self.bytes -= batch.bytes;
        input.send(&mut batch, &event_times, self.plan.until());
        self.spare.push((batch, event_times));
    }

    /// Closes what is being read.
    fn stop(&mut self) {
        (self.reader, self.merged) = (None, None);
    }
}
