//! Merges partitions that overlap in time, by their event clocks, into batches of one sequence.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::vec;

use indicatif::ProgressBar;
use velodrome_dataflows::{Sample, Tracking};

use super::batch_report::{BatchReport, RejectedLine};
use super::decoded_batch::DecodedBatch;
use super::known_rides::KnownRides;
use super::partition_reader::{ClockedBatch, read_partition};
use super::plan::Plan;
use super::run_admission::Candidates;
use crate::ingest::event::EventTimestamp;

/// The number of events and rejected lines of a merged batch.
const BATCH_LINES: usize = 20_000;

/// The lines of all partitions of a plan in the order of their clocks; at equal clocks, the first partition
/// is first.
pub(super) struct MergedReader {
    partitions: Vec<Partition>,
    /// The clock of the next line of each partition that has one, and the partition's index.
    next: BinaryHeap<Reverse<(u64, usize)>>,
    batch: usize,
}

impl MergedReader {
    /// Starts to read all partitions of `plan`.
    pub(super) fn start(plan: &Arc<Plan>, progress: &ProgressBar) -> Self {
        let partition = |units| Partition::new(read_partition(plan, units, progress));
        let mut partitions: Vec<_> = plan.merged.iter().cloned().map(partition).collect();
        let first = |(index, partition): (usize, &mut Partition)| {
            Some(Reverse((partition.next_clock()?, index)))
        };
        let next = partitions.iter_mut().enumerate().filter_map(first).collect();
        Self { partitions, next, batch: 0 }
    }

    /// Reads the next batch into `batch`, which is empty. Returns `None` at the end. The report uses the
    /// memory of `time_marks`. Events of rides that are not `known` are candidates.
    ///
    /// Each line has its clock as an arrival, so that the sequencer's clock is the same.
    pub(super) fn read(
        &mut self,
        batch: &mut DecodedBatch,
        mut time_marks: Vec<u64>,
        known: &KnownRides,
    ) -> Option<BatchReport> {
        time_marks.clear();
        let mut report = BatchReport { batch: self.batch, time_marks, ..BatchReport::default() };
        while report.time_marks.len() < BATCH_LINES
            && let Some(Reverse((_, index))) = self.next.pop()
            && let Some(partition) = self.partitions.get_mut(index)
        {
            // The lines up to the next one of another partition.
            let until = self.next.peek().map_or((u64::MAX, usize::MAX), |Reverse(next)| *next);
            while let Some(clock) = partition.next_clock() {
                if (clock, index) > until || report.time_marks.len() == BATCH_LINES {
                    self.next.push(Reverse((clock, index)));
                    break;
                }
                partition.take(clock, known, batch, &mut report);
            }
        }
        self.batch += 1;
        (!report.time_marks.is_empty()).then_some(report)
    }
}

/// The lines of one partition that were not merged yet.
struct Partition {
    batches: Receiver<ClockedBatch>,
    samples: Peekable<vec::IntoIter<Sample>>,
    tracking: Peekable<vec::IntoIter<Tracking>>,
    /// A candidate for each sample of the batch, and the number of those that were merged.
    candidates: Candidates,
    samples_merged: usize,
    rejects: vec::IntoIter<RejectedLine>,
    /// The clocks of the batch's lines, in order, and the number of those that were merged.
    event_times: Vec<u64>,
    merged: u64,
    /// The bytes of its lines, in the mean.
    bytes_per_line: usize,
}

impl Partition {
    fn new(batches: Receiver<ClockedBatch>) -> Self {
        Self {
            batches,
            samples: Vec::new().into_iter().peekable(),
            tracking: Vec::new().into_iter().peekable(),
            candidates: Candidates::default(),
            samples_merged: 0,
            rejects: Vec::new().into_iter(),
            event_times: Vec::new(),
            merged: 0,
            bytes_per_line: 0,
        }
    }

    /// The clock of the next line, or `None` at the end. Waits for the next batch.
    fn next_clock(&mut self) -> Option<u64> {
        loop {
            if let Some(clock) = self.event_times.get(self.merged as usize) {
                return Some(*clock);
            }
            let ClockedBatch { batch, report, event_times } = self.batches.recv().ok()?;
            self.samples = batch.samples.into_iter().peekable();
            self.tracking = batch.tracking.into_iter().peekable();
            self.rejects = report.rejects.into_iter();
            let bytes = batch.bytes.saturating_sub(report.candidates.bytes());
            self.bytes_per_line = bytes / report.time_marks.len().max(1);
            (self.candidates, self.samples_merged) = (report.candidates, 0);
            (self.event_times, self.merged) = (event_times, 0);
        }
    }

    /// Moves the next line, at `clock`, to `batch` and `report`.
    fn take(
        &mut self,
        clock: u64,
        known: &KnownRides,
        batch: &mut DecodedBatch,
        report: &mut BatchReport,
    ) {
        let (own, index) = (self.merged, report.time_marks.len() as u64);
        self.merged += 1;
        batch.bytes += self.bytes_per_line;
        if let Some(mut sample) = self.samples.next_if(|sample| sample.clock == own) {
            sample.clock = index;
            if !known.contains((sample.class, sample.race, sample.racer))
                && let Some((candidate, text)) = self.candidates.get(self.samples_merged)
            {
                report.candidates.push(&sample, candidate.input, candidate.line, text);
                batch.bytes += text.len();
            }
            self.samples_merged += 1;
            batch.samples.push(sample);
        } else if let Some(mut event) = self.tracking.next_if(|event| event.clock == own) {
            event.clock = index;
            batch.tracking.push(event);
        } else {
            report.rejects.extend(self.rejects.next());
            return report.mark_rejected(EventTimestamp::Arrival(clock));
        }
        report.accept(EventTimestamp::Arrival(clock));
    }
}
