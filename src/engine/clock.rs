//! The event clock of one source partition: from the times that events bring, in order.

use crate::ingest::event::Reading;

/// A device's time moves the clock only where it is at most so far ahead: devices' clocks err.
pub(super) const AHEAD_MS_MAX: u64 = 600_000;

/// After so many events in a row that are further ahead, a gap in the source is believed (a quiet
/// night, another day's file) rather than that all these devices err.
pub(super) const GAP_EVENTS: usize = 100;

/// The running maximum of the times that a partition's events bring.
///
/// Its answer for an event depends on the events alone, never on how they are cut or who reads them.
#[derive(Debug, Default)]
pub(super) struct EventClock {
    now: Option<u64>,
    /// Times too far ahead, in a row, not yet known to be a gap or an error.
    ahead: Vec<u64>,
}

impl EventClock {
    /// Takes the time of the next event, and appends to `clocks` the clock at each event that has
    /// become known, in order: none, this one's, or with it those that had to wait.
    pub(super) fn push(&mut self, reading: Reading, clocks: &mut Vec<u64>) {
        let now = self.now.unwrap_or(0);
        match reading {
            Reading::Device(ms) if self.now.is_some() && ms > now + AHEAD_MS_MAX => {
                self.ahead.push(ms);
                if self.ahead.len() == GAP_EVENTS {
                    self.jump(clocks);
                }
            }
            Reading::Device(ms) | Reading::Arrival(ms) => {
                self.settle(clocks);
                let now = now.max(ms);
                self.now = Some(now);
                clocks.push(now);
            }
        }
    }

    /// Tells of the events that still wait that they do not move the clock: nothing, or a line that
    /// is no event, follows.
    pub(super) fn settle(&mut self, clocks: &mut Vec<u64>) {
        let now = self.now.unwrap_or(0);
        clocks.extend(self.ahead.drain(..).map(|_| now));
    }

    /// Takes a line that brings no time: those that wait are settled, and the line has the clock of now.
    pub(super) fn pass(&mut self, clocks: &mut Vec<u64>) {
        self.settle(clocks);
        clocks.push(self.now.unwrap_or(0));
    }

    /// Believes the gap: the clock goes on from the first event behind it.
    fn jump(&mut self, clocks: &mut Vec<u64>) {
        let mut ahead = std::mem::take(&mut self.ahead).into_iter();
        if let Some(first) = ahead.next() {
            self.now = Some(first);
            clocks.push(first);
        }
        ahead.for_each(|ms| self.push(Reading::Device(ms), clocks));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(readings: impl IntoIterator<Item = Reading>) -> Vec<u64> {
        let (mut clock, mut clocks) = (EventClock::default(), Vec::new());
        readings.into_iter().for_each(|reading| clock.push(reading, &mut clocks));
        clock.settle(&mut clocks);
        clocks
    }

    #[test]
    fn is_the_running_maximum_without_times_too_far_ahead() {
        let limit = 5 + AHEAD_MS_MAX;
        let device = [5, 3, limit + 1, 4, limit, 6].map(Reading::Device);
        assert_eq!(clocks(device), [5, 5, 5, 5, limit, limit]);
    }

    #[test]
    fn believes_an_arrival_however_far_ahead() {
        let readings = [Reading::Device(5), Reading::Arrival(1 << 40), Reading::Device(7)];
        assert_eq!(clocks(readings), [5, 1 << 40, 1 << 40]);
    }

    #[test]
    fn believes_a_gap_from_its_first_event_on() {
        let night = 8 * 3_600_000;
        let gap = |events: usize| (0..events as u64).map(move |i| Reading::Device(night + i));
        let after = |events| clocks([Reading::Device(1)].into_iter().chain(gap(events)));
        assert_eq!(after(GAP_EVENTS - 1), vec![1; GAP_EVENTS]);
        let expected: Vec<_> = [1].into_iter().chain(night..night + GAP_EVENTS as u64).collect();
        assert_eq!(after(GAP_EVENTS), expected);
    }

    #[test]
    fn believes_no_gap_that_an_event_in_time_interrupts() {
        let night = Reading::Device(8 * 3_600_000);
        let mut readings = vec![Reading::Device(1)];
        readings.extend([night; GAP_EVENTS - 1]);
        readings.push(Reading::Device(2));
        readings.extend([night; GAP_EVENTS - 1]);
        assert_eq!(clocks(readings).last(), Some(&2));
    }
}
