//! The report of a batch to the sequencer: the times of its events and its rejected lines.

use serde::{Deserialize, Serialize};

use super::run_admission::Candidates;
use crate::ingest::event::EventTimestamp;

/// The times and rejected lines of a batch, for the sequencer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct BatchReport {
    /// The number of the unit in the plan.
    pub(super) unit: usize,
    /// The index of the input.
    pub(super) input: usize,
    /// The number of the batch in its unit.
    pub(super) batch: usize,
    /// Whether the batch is the last of its unit.
    pub(super) is_last: bool,
    /// The number of lines that end in the batch, blank ones included.
    pub(super) lines: u64,
    /// A time mark for each event and rejected object, in order: its time with flags, or
    /// [`Self::NO_TIME`].
    pub(super) time_marks: Vec<u64>,
    /// The device of each time mark; 0 where the mark is not a device's time.
    pub(super) devices: Vec<u32>,
    /// The rejected lines, in order.
    pub(super) rejects: Vec<RejectedLine>,
    /// The events whose ride the reader does not know, in order.
    pub(super) candidates: Candidates,
}

/// A line that is not an event, or the place where an input is damaged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RejectedLine {
    /// The index of the input.
    pub(super) input: usize,
    /// The line's number in the batch, from 0; in its input, if several partitions are merged.
    pub(super) line: u64,
    pub(super) reason: String,
    pub(super) bytes: Vec<u8>,
    /// Whether the input is damaged here.
    pub(super) is_damage: bool,
}

impl BatchReport {
    /// The mark of a line that is not an event under any rules and therefore has no time.
    const NO_TIME: u64 = u64::MAX;
    /// The bit that marks an arrival. Times are below 2^53.
    const ARRIVAL: u64 = 1 << 63;
    /// The bit that marks a rejected line.
    const REJECTED: u64 = 1 << 62;

    /// Adds an accepted event with the given timestamp.
    pub(super) fn accept(&mut self, timestamp: EventTimestamp) {
        self.mark(timestamp, 0);
    }

    fn mark(&mut self, timestamp: EventTimestamp, flags: u64) {
        let (mark, device) = match timestamp {
            EventTimestamp::Device { ms, device } => (ms, device),
            EventTimestamp::Arrival(ms) => (ms | Self::ARRIVAL, 0),
        };
        self.time_marks.push(mark | flags);
        self.devices.push(device);
    }

    /// The timestamps of the marks, in order. `None` for a rejected object without time.
    pub(super) fn timestamps(&self) -> impl Iterator<Item = Option<EventTimestamp>> {
        self.time_marks.iter().zip(&self.devices).map(|(&mark, &device)| {
            let ms = mark & !(Self::ARRIVAL | Self::REJECTED);
            match mark {
                Self::NO_TIME => None,
                _ if mark & Self::ARRIVAL == 0 => Some(EventTimestamp::Device { ms, device }),
                _ => Some(EventTimestamp::Arrival(ms)),
            }
        })
    }

    /// Whether a mark is of a rejected line, with or without a time.
    pub(super) fn is_rejected(mark: u64) -> bool {
        mark & Self::REJECTED != 0
    }

    /// Adds the mark of a line that is among the rejected ones.
    pub(super) fn mark_rejected(&mut self, timestamp: EventTimestamp) {
        self.mark(timestamp, Self::REJECTED);
    }

    /// Adds a rejected line.
    ///
    /// An event that only the rules of this run reject has a timestamp, which still advances the event
    /// clock.
    pub(super) fn reject(
        &mut self,
        timestamp: Option<EventTimestamp>,
        reason: String,
        bytes: &[u8],
        is_damage: bool,
    ) {
        let (input, line) = (self.input, self.lines);
        let bytes = bytes.to_owned();
        self.rejects.push(RejectedLine { input, line, reason, bytes, is_damage });
        match timestamp {
            Some(timestamp) => self.mark_rejected(timestamp),
            None => {
                self.time_marks.push(Self::NO_TIME);
                self.devices.push(0);
            }
        }
    }
}
