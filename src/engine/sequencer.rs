//! The sequencer: restores the source's order, runs the event clock and assigns logical times.
//!
//! It runs on worker 0. Workers send it a report of each batch. It sends the clock at each event to the
//! worker that read the batch, and the batch's logical time to all workers. Both depend only on the
//! order of batches and events, so every run over the same input has the same times. The sequencer also
//! writes the dead letters in the source's order.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use velodrome_dataflows::RideKey;

use super::batch_report::{BatchReport, RejectedLine};
use super::clocked_batches::ClockedBatches;
use super::plan::Plan;
use super::run_admission::{Candidate, REJECTED, RunAdmission};
use crate::ingest::dead_letters::DeadLetterFile;
use crate::ingest::inputs::Input;
use crate::ingest::rejections::Rejections;

/// The times of one batch, addressed to one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BatchTimes {
    /// The worker that receives this.
    pub(super) to: usize,
    /// The logical time of the batch, in milliseconds of the event clock: greater than the time of every
    /// earlier batch, and not less than the clock of any event up to the end of the batch.
    pub(super) logical_time: u64,
    /// For the batch's reader, the clock at each of its time marks.
    pub(super) event_times: Option<Vec<u64>>,
    /// The rides that the batch opened.
    pub(super) opened: Vec<RideKey>,
    /// Whether all later events are after the end of the plan, so workers can stop reading.
    pub(super) is_last: bool,
}

/// The numbers of accepted events, rejected lines and damaged inputs of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineCounts {
    pub(super) events: u64,
    pub(super) rejected: u64,
    pub(super) damaged: u64,
}

/// The state of the sequencer.
pub(super) struct Sequencer {
    plan: Arc<Plan>,
    peers: usize,
    pub(super) counts: LineCounts,
    /// The file of rejected lines; on worker 0 only.
    dead_letters: Option<DeadLetterFile>,
    /// Batches with events whose clock is not known yet, each with the worker that read it.
    waiting: ClockedBatches<usize>,
    admission: RunAdmission,
    /// The unit and batch whose report comes next in the source's order.
    next: (usize, usize),
    /// Reports that arrived before their turn, each with the worker that sent it.
    early: BTreeMap<(usize, usize), (usize, BatchReport)>,
    /// The index of the current input. `lines` is the number of its lines in earlier batches.
    input: usize,
    lines: u64,
    /// The damaged inputs.
    damaged: HashSet<usize>,
    logical_time: u64,
    /// Whether the clock has passed the end of the plan.
    is_past_end: bool,
}

impl Sequencer {
    pub(super) fn new(plan: Arc<Plan>, peers: usize, dead_letters: Option<DeadLetterFile>) -> Self {
        Self {
            admission: RunAdmission::new(Arc::clone(&plan)),
            plan,
            peers,
            counts: LineCounts::default(),
            dead_letters,
            waiting: ClockedBatches::default(),
            next: (0, 0),
            early: BTreeMap::new(),
            input: 0,
            lines: 0,
            damaged: HashSet::new(),
            logical_time: 0,
            is_past_end: false,
        }
    }

    /// Adds the report of a batch that worker `from` read. Appends all newly known times to `times`.
    pub(super) fn push(&mut self, from: usize, report: BatchReport, times: &mut Vec<BatchTimes>) {
        self.early.insert((report.unit, report.batch), (from, report));
        while !self.is_past_end
            && let Some((from, report)) = self.early.remove(&self.next)
        {
            self.next = match report.is_last {
                true => (report.unit + 1, 0),
                false => (report.unit, report.batch + 1),
            };
            self.waiting.push(from, report);
            self.assign(times);
        }
    }

    /// Appends the times of all waiting batches to `times`, after the last report.
    pub(super) fn flush(&mut self, times: &mut Vec<BatchTimes>) {
        self.waiting.flush();
        self.assign(times);
    }

    /// Completes the file of rejected lines. Returns what was rejected.
    ///
    /// # Errors
    /// The first write that failed.
    pub(super) fn finish_dead_letters(&mut self) -> io::Result<Rejections> {
        self.dead_letters.take().map_or(Ok(Rejections::default()), DeadLetterFile::finish)
    }

    /// Assigns logical times to the waiting batches whose events all have a clock.
    fn assign(&mut self, times: &mut Vec<BatchTimes>) {
        while !self.is_past_end
            && let Some((from, report, mut event_times)) = self.waiting.pop()
        {
            let end = event_times.iter().max().copied().unwrap_or(0);
            let opened = self.admission.decide(&report.candidates, &mut event_times);
            self.count(&report, &event_times);
            self.logical_time = end.max(self.logical_time + 1);
            self.is_past_end = end > self.plan.until();
            let (logical_time, is_last) = (self.logical_time, self.is_past_end);
            let others = (0..self.peers).filter(|to| *to != from);
            times.extend(others.map(|to| BatchTimes {
                to,
                logical_time,
                event_times: None,
                opened: opened.clone(),
                is_last,
            }));
            let event_times = Some(event_times);
            times.push(BatchTimes { to: from, logical_time, event_times, opened, is_last });
        }
    }

    /// Counts the lines of a batch up to the end of the plan, and writes the rejected ones to the dead
    /// letters.
    fn count(&mut self, report: &BatchReport, event_times: &[u64]) {
        if report.input != self.input {
            (self.input, self.lines) = (report.input, 0);
        }
        let mut rejects = report.rejects.iter();
        let mut beyond_bound = report.candidates.rejected(event_times);
        for (mark, event_time) in report.time_marks.iter().zip(event_times) {
            if *event_time == REJECTED
                && let Some((Candidate { input, line, .. }, text)) = beyond_bound.next()
            {
                self.counts.rejected += 1;
                let (reason, bytes) = (self.admission.reason(), text.to_owned());
                let rejected = RejectedLine { input, line, reason, bytes, is_damage: false };
                self.write_dead_letter(&rejected);
                continue;
            }
            if *event_time > self.plan.until() {
                break;
            }
            let reject = BatchReport::is_rejected(*mark).then(|| rejects.next()).flatten();
            let Some(reject) = reject else {
                self.counts.events += 1;
                continue;
            };
            match reject.is_damage {
                // An input is damaged once, also if several of its units cannot be read.
                true if !self.damaged.insert(reject.input) => continue,
                true => self.counts.damaged += 1,
                false => self.counts.rejected += 1,
            }
            self.write_dead_letter(reject);
        }
        self.lines += report.lines;
    }

    /// Writes a line of the current batch to the dead letters.
    fn write_dead_letter(
        &mut self,
        RejectedLine { input, line, reason, bytes, is_damage }: &RejectedLine,
    ) {
        let file = self.plan.inputs.get(*input).map(Input::name);
        if let (Some(dead_letters), Some(file)) = (&mut self.dead_letters, file) {
            let line = self.lines + line + 1;
            match is_damage {
                true => dead_letters.damage(&file, line, reason, bytes),
                false => dead_letters.reject(&file, line, reason, bytes),
            }
        }
    }
}
