//! The event clock of one source: the time that the majority of its devices agree on.
//!
//! An event up to [`STEP_MS`] past the last confirmed time moves the clock at once. A later one is a
//! *candidate*: the events after it vote on whether its time is right, each device once. So a minority of
//! devices with wrong clocks never moves the clock far, and never stops it.

#[cfg(test)]
mod tests;
mod vote;

use std::collections::VecDeque;
use std::iter::repeat_n;
use std::mem;

use crate::ingest::event::EventTimestamp;
use vote::{Candidate, LINES_MAX, Line, STEP_MS, Vote};

/// The clock at each line of one source.
///
/// It depends only on the source's lines in order, not on how the source is cut into batches or which
/// worker reads them. It never decreases.
#[derive(Debug, Default)]
pub(super) struct EventClock {
    /// The clock at the last line whose clock is known.
    now: Option<u64>,
    /// The last time that a vote or an arrival confirmed. `now` is at most [`STEP_MS`] later.
    confirmed: u64,
    /// Lines whose clock is not known yet, in order. The first one is a candidate.
    pending: VecDeque<Line>,
    /// The vote on the first pending line.
    vote: Vote,
    devices: Devices,
    /// The number of lines, before all pending ones, that wait for the clock to start, and the least of
    /// their times.
    unstarted: usize,
    least: Option<u64>,
}

/// The devices of the events so far.
#[derive(Clone, Copy, Debug, Default)]
enum Devices {
    #[default]
    None,
    /// Only this one.
    One(u32),
    Several,
}

impl EventClock {
    /// Adds the next line. Appends to `event_times`, in order, the clocks that are now known.
    pub(super) fn push(&mut self, line: Line, event_times: &mut Vec<u64>) {
        self.count_device(line);
        if self.pending.is_empty()
            && self.unstarted == 0
            && let Some(now) = self.accept(line)
        {
            return event_times.push(now);
        }
        self.pending.push_back(line);
        self.settle(false, event_times);
    }

    /// Decides all open votes, at the end of the source.
    pub(super) fn flush(&mut self, event_times: &mut Vec<u64>) {
        self.settle(true, event_times);
        event_times.extend(repeat_n(0, mem::take(&mut self.unstarted)));
    }

    /// Counts the device of an event. With the second device, open votes start again.
    fn count_device(&mut self, line: Line) {
        let Some(EventTimestamp::Device { device, .. }) = line else { return };
        match self.devices {
            Devices::None => self.devices = Devices::One(device),
            Devices::One(other) if other != device => {
                self.devices = Devices::Several;
                self.vote = Vote::default();
            }
            Devices::One(_) | Devices::Several => {}
        }
    }

    /// Moves the clock to a line that needs no vote, and returns it. `None` if the line needs a vote or
    /// the clock has not started.
    fn accept(&mut self, line: Line) -> Option<u64> {
        match line {
            Some(EventTimestamp::Device { ms, .. }) if ms > self.confirmed + STEP_MS => {
                return None;
            }
            Some(EventTimestamp::Device { ms, .. }) => self.now = Some(self.now?.max(ms)),
            Some(EventTimestamp::Arrival(ms)) => self.confirm(ms),
            None => {}
        }
        self.now
    }

    fn confirm(&mut self, ms: u64) {
        self.confirmed = self.confirmed.max(ms);
        self.now = self.now.max(Some(ms));
    }

    /// Determines the clocks of pending lines, up to the first vote that is open.
    fn settle(&mut self, is_end: bool, event_times: &mut Vec<u64>) {
        while let Some(&line) = self.pending.front() {
            if self.accept(line).is_none()
                && let Some(EventTimestamp::Device { ms, device }) = line
            {
                let confirmed = self.now.map(|_| self.confirmed);
                let is_sole = matches!(self.devices, Devices::One(_));
                let candidate = Candidate { ms, device, confirmed, is_sole };
                match self.vote.verdict(candidate, &self.pending, is_end) {
                    None => return,
                    Some(true) => self.confirm(ms),
                    Some(false) if self.now.is_none() => {
                        self.least = Some(self.least.map_or(ms, |least| least.min(ms)));
                    }
                    Some(false) => {}
                }
                self.vote.close(candidate, self.pending.get(1));
            } else {
                self.vote.skip();
            }
            self.pending.pop_front();
            self.unstarted += 1;
            if self.unstarted == LINES_MAX {
                match self.least {
                    Some(least) => self.confirm(least),
                    // Only rejected lines so far.
                    None => event_times.extend(repeat_n(0, mem::take(&mut self.unstarted))),
                }
            }
            if let Some(now) = self.now {
                event_times.extend(repeat_n(now, self.unstarted));
                self.unstarted = 0;
            }
        }
    }
}
