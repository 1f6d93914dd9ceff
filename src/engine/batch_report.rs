//! The report of a batch to the sequencer: the times of its events and its rejected lines.

use serde::{Deserialize, Serialize};

use crate::ingest::event::EventTimestamp;

/// The times and rejected lines of a batch, for the sequencer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct BatchReport {
    /// The number of the unit in the plan.
    pub(super) unit: usize,
    /// The number of the batch in its unit.
    pub(super) batch: usize,
    /// Whether the batch is the last of its unit.
    pub(super) is_last: bool,
    /// The number of lines, blank ones included.
    pub(super) lines: u64,
    /// A time mark for each line that is not blank, in order: see [`Self::mark`],
    /// [`Self::mark_rejected`] and [`Self::NO_TIME`].
    pub(super) time_marks: Vec<u64>,
    /// The rejected lines, in order.
    pub(super) rejects: Vec<RejectedLine>,
}

/// A line that is not an event, or the place where an input is damaged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RejectedLine {
    /// The line's number in the batch, from 0.
    pub(super) line: u64,
    pub(super) reason: String,
    pub(super) bytes: Vec<u8>,
    /// Whether the input is damaged here.
    pub(super) is_damage: bool,
}

impl BatchReport {
    /// The mark of a line that is not an event under any rules and therefore has no time.
    pub(super) const NO_TIME: u64 = u64::MAX;
    /// The bit that marks an arrival. Times are below 2^53.
    const ARRIVAL: u64 = 1 << 63;
    /// The bit that marks a rejected line.
    const REJECTED: u64 = 1 << 62;

    /// The mark of an accepted event.
    pub(super) fn mark(timestamp: EventTimestamp) -> u64 {
        match timestamp {
            EventTimestamp::Device(ms) => ms,
            EventTimestamp::Arrival(ms) => ms | Self::ARRIVAL,
        }
    }

    /// The mark of an event that only the rules of this run reject. Its time still advances the event
    /// clock.
    pub(super) fn mark_rejected(timestamp: EventTimestamp) -> u64 {
        Self::mark(timestamp) | Self::REJECTED
    }

    /// The time of a mark, which is not [`Self::NO_TIME`].
    pub(super) fn timestamp(mark: u64) -> EventTimestamp {
        let ms = mark & !(Self::ARRIVAL | Self::REJECTED);
        match mark & Self::ARRIVAL {
            0 => EventTimestamp::Device(ms),
            _ => EventTimestamp::Arrival(ms),
        }
    }

    /// Whether a mark is of a rejected line, with or without a time.
    pub(super) fn is_rejected(mark: u64) -> bool {
        mark & Self::REJECTED != 0
    }

    /// Adds a rejected line with its time mark.
    pub(super) fn reject(&mut self, mark: u64, reason: String, bytes: &[u8], is_damage: bool) {
        let line = self.lines;
        self.rejects.push(RejectedLine { line, reason, bytes: bytes.to_owned(), is_damage });
        self.time_marks.push(mark);
        self.lines += 1;
    }
}
