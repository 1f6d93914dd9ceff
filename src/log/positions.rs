//! Positions in the log, by the arrivals up to them, so that a checkpoint can name the part it covers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A position is kept for each span of arrivals of this length, in milliseconds.
const SPAN_MS: u64 = 1_000;

/// The end of a group in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// The sequence of its segment.
    pub sequence: u64,
    /// The bytes of the segment up to there.
    pub bytes: u64,
}

/// The positions since the last checkpoint. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Positions(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    groups: VecDeque<(u64, LogPosition)>,
    /// The segment of the newest group.
    newest: u64,
    /// The arrival of the first event that is perhaps in the log, but was not delivered.
    failed_from_ms: Option<u64>,
}

impl Positions {
    /// Records that all groups up to `position` arrived at `arrival_ms` or earlier. Arrivals must not
    /// decrease.
    pub(super) fn push(&self, arrival_ms: u64, position: LogPosition) {
        let mut state = self.lock();
        state.newest = position.sequence;
        let positions = &mut state.groups;
        match positions.back_mut() {
            Some(last) if last.0 / SPAN_MS == arrival_ms / SPAN_MS => {
                *last = (arrival_ms, position)
            }
            _ => positions.push_back((arrival_ms, position)),
        }
    }

    /// The greatest known position whose groups all arrived at `ms` or earlier. Forgets it and all before it.
    pub fn take_until(&self, ms: u64) -> Option<LogPosition> {
        let positions = &mut self.lock().groups;
        let covered = positions.partition_point(|(arrival_ms, _)| *arrival_ms <= ms);
        positions.drain(..covered).next_back().map(|(_, position)| position)
    }

    /// The segment of the newest group; 0 before the first since the start.
    pub fn newest(&self) -> u64 {
        self.lock().newest
    }

    /// Records that a group, whose first event arrived at `arrival_ms`, failed and poisoned the log.
    pub(super) fn fail_from(&self, arrival_ms: u64) {
        self.lock().failed_from_ms.get_or_insert(arrival_ms);
    }

    /// The latest time up to `ms` for which a checkpoint can be complete. The next start can find a failed group
    /// in the log, and must read it.
    pub fn complete_until(&self, ms: u64) -> u64 {
        self.lock().failed_from_ms.map_or(ms, |failed_ms| ms.min(failed_ms.saturating_sub(1)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_covers_only_groups_that_arrived_by_then() {
        let positions = Positions::default();
        let position = |bytes| LogPosition { sequence: 1, bytes };
        for (arrival_ms, bytes) in [(1_000, 10), (1_010, 20), (2_000, 30), (2_990, 40), (3_000, 50)]
        {
            positions.push(arrival_ms, position(bytes));
        }
        assert_eq!(positions.take_until(1_009), None);
        assert_eq!(positions.take_until(2_500), Some(position(20)));
        assert_eq!(positions.take_until(2_999), Some(position(40)));
        assert_eq!(positions.take_until(2_999), None);
        assert_eq!(positions.take_until(9_000), Some(position(50)));
    }
}
