//! The event clock of one source: a running maximum of the times that events carry.

use crate::ingest::event::EventTimestamp;

/// A device's time advances the clock by at most this much, because device clocks can be wrong.
pub(super) const AHEAD_MS_MAX: u64 = 600_000;

/// After this many consecutive events further ahead than [`AHEAD_MS_MAX`], the clock treats them as a
/// gap in the source (a quiet night, another day's file) and not as wrong device clocks.
pub(super) const GAP_EVENTS: usize = 100;

/// The running maximum of the times in one source's events, without times too far ahead.
///
/// The clock at an event depends only on the source's events in order, not on how the source is cut into
/// batches or which worker reads them.
#[derive(Debug, Default)]
pub(super) struct EventClock {
    now: Option<u64>,
    /// The times of consecutive events too far ahead, not yet known to be a gap or errors.
    pending: Vec<u64>,
}

impl EventClock {
    /// Adds the time of the next event.
    ///
    /// Appends to `event_times`, in order, the clocks that are now known: none, that of this event, or
    /// those of all pending events and this one.
    pub(super) fn push(&mut self, timestamp: EventTimestamp, event_times: &mut Vec<u64>) {
        let now = self.now.unwrap_or(0);
        match timestamp {
            EventTimestamp::Device(ms) if self.now.is_some() && ms > now + AHEAD_MS_MAX => {
                self.pending.push(ms);
                if self.pending.len() == GAP_EVENTS {
                    self.jump(event_times);
                }
            }
            EventTimestamp::Device(ms) | EventTimestamp::Arrival(ms) => {
                self.flush(event_times);
                let now = now.max(ms);
                self.now = Some(now);
                event_times.push(now);
            }
        }
    }

    /// Treats the pending events as wrong device clocks: they get the current clock and do not advance
    /// it. The caller flushes at the end of the source.
    pub(super) fn flush(&mut self, event_times: &mut Vec<u64>) {
        let now = self.now.unwrap_or(0);
        event_times.extend(self.pending.drain(..).map(|_| now));
    }

    /// Adds a line without a time. It ends a run of pending events and gets the current clock.
    pub(super) fn push_without_time(&mut self, event_times: &mut Vec<u64>) {
        self.flush(event_times);
        event_times.push(self.now.unwrap_or(0));
    }

    /// Accepts the pending events as a gap: the clock continues at the first of them.
    fn jump(&mut self, event_times: &mut Vec<u64>) {
        let mut pending = std::mem::take(&mut self.pending).into_iter();
        if let Some(first) = pending.next() {
            self.now = Some(first);
            event_times.push(first);
        }
        pending.for_each(|ms| self.push(EventTimestamp::Device(ms), event_times));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_times(timestamps: impl IntoIterator<Item = EventTimestamp>) -> Vec<u64> {
        let (mut clock, mut times) = (EventClock::default(), Vec::new());
        timestamps.into_iter().for_each(|timestamp| clock.push(timestamp, &mut times));
        clock.flush(&mut times);
        times
    }

    #[test]
    fn is_the_running_maximum_without_times_too_far_ahead() {
        let limit = 5 + AHEAD_MS_MAX;
        let device = [5, 3, limit + 1, 4, limit, 6].map(EventTimestamp::Device);
        assert_eq!(event_times(device), [5, 5, 5, 5, limit, limit]);
    }

    #[test]
    fn accepts_an_arrival_at_any_distance_ahead() {
        let timestamps = [
            EventTimestamp::Device(5),
            EventTimestamp::Arrival(1 << 40),
            EventTimestamp::Device(7),
        ];
        assert_eq!(event_times(timestamps), [5, 1 << 40, 1 << 40]);
    }

    #[test]
    fn jumps_to_the_first_event_after_a_gap() {
        let night = 8 * 3_600_000;
        let gap =
            |events: usize| (0..events as u64).map(move |i| EventTimestamp::Device(night + i));
        let after =
            |events| event_times([EventTimestamp::Device(1)].into_iter().chain(gap(events)));
        assert_eq!(after(GAP_EVENTS - 1), vec![1; GAP_EVENTS]);
        let expected: Vec<_> = [1].into_iter().chain(night..night + GAP_EVENTS as u64).collect();
        assert_eq!(after(GAP_EVENTS), expected);
    }

    #[test]
    fn an_event_in_time_interrupts_a_gap() {
        let night = EventTimestamp::Device(8 * 3_600_000);
        let mut timestamps = vec![EventTimestamp::Device(1)];
        timestamps.extend([night; GAP_EVENTS - 1]);
        timestamps.push(EventTimestamp::Device(2));
        timestamps.extend([night; GAP_EVENTS - 1]);
        assert_eq!(event_times(timestamps).last(), Some(&2));
    }
}
