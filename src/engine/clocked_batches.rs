//! Batches of one partition that wait for the clocks of their events.

use std::collections::VecDeque;
use std::mem;

use super::batch_report::BatchReport;
use super::event_clock::EventClock;

/// The reports of a partition's batches in order, each with a `T`, until the clocks of all its events are
/// known.
#[derive(Debug)]
pub(super) struct ClockedBatches<T> {
    clock: EventClock,
    waiting: VecDeque<(T, BatchReport)>,
    /// The known clocks of the waiting batches' events, in order.
    event_times: Vec<u64>,
}

impl<T> Default for ClockedBatches<T> {
    fn default() -> Self {
        let (clock, waiting) = (EventClock::default(), VecDeque::new());
        Self { clock, waiting, event_times: Vec::new() }
    }
}

impl<T> ClockedBatches<T> {
    /// Adds the next batch.
    pub(super) fn push(&mut self, item: T, report: BatchReport) {
        self.event_times.reserve(report.time_marks.len());
        for timestamp in report.timestamps() {
            self.clock.push(timestamp, &mut self.event_times);
        }
        self.waiting.push_back((item, report));
    }

    /// Decides all clocks, after the last batch.
    pub(super) fn flush(&mut self) {
        self.clock.flush(&mut self.event_times);
    }

    /// Removes the first batch if the clocks at all its time marks are known, and returns them too.
    pub(super) fn pop(&mut self) -> Option<(T, BatchReport, Vec<u64>)> {
        let (item, report) = self
            .waiting
            .pop_front_if(|(_, report)| report.time_marks.len() <= self.event_times.len())?;
        let later = self.event_times.split_off(report.time_marks.len());
        let event_times = mem::replace(&mut self.event_times, later);
        Some((item, report, event_times))
    }
}
