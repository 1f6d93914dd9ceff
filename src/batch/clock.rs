//! The event clock: the current time of the stream, derived from the times of its events.

use std::mem;

use velodrome_dataflows::EventTime;

use super::event::Event;

/// How much a device may be ahead of the clock and still move it, in milliseconds.
const AHEAD_MS_MAX: u64 = 600_000;

/// Number of consecutive events too far ahead of the clock that count as a gap in the stream. A shorter
/// run comes from devices with a wrong clock. A rejected line ends a run.
const GAP_LINES: usize = 100;

/// The event clock over all events in order. It never goes backwards.
#[derive(Debug, Default)]
pub(super) struct EventClock {
    /// `None` before the first event.
    now: Option<EventTime>,
    /// The current run of events that are too far ahead. The clock does not move until the run turns
    /// out to be a gap or ends.
    pending: Vec<Event>,
}

impl EventClock {
    /// Adds the next event. Emits, in order, all events whose time on the clock is now known.
    pub(super) fn push(&mut self, event: Event, emit: &mut dyn FnMut(EventTime, Event)) {
        if !self.is_too_far_ahead(&event) {
            self.finish(emit);
            let time = event.arrival_ms.unwrap_or(event.device_ms);
            let now = self.now.map_or(time, |now| now.max(time));
            self.now = Some(now);
            return emit(now, event);
        }
        self.pending.push(event);
        if self.pending.len() == GAP_LINES {
            let run = mem::take(&mut self.pending);
            self.now = run.first().map(|first| first.device_ms);
            for event in run {
                self.push(event, emit);
            }
        }
    }

    /// Ends a run that is too short to be a gap. Emits its events without moving the clock.
    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(EventTime, Event)) {
        let now = self.now();
        self.pending.drain(..).for_each(|event| emit(now, event));
    }

    /// The current time: that of the last emitted event.
    pub(super) fn now(&self) -> EventTime {
        self.now.unwrap_or_default()
    }

    fn is_too_far_ahead(&self, event: &Event) -> bool {
        let latest = self.now.map(|now| now + AHEAD_MS_MAX);
        event.arrival_ms.is_none() && latest.is_some_and(|latest| event.device_ms > latest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Kind, View};
    use super::*;

    const MINUTE: u64 = 60_000;

    fn device(device_ms: u64) -> Event {
        let view = View { uuid: "u".into(), project: "p".into(), duration_ms: 0, is_view: true };
        Event { device_ms, arrival_ms: None, kind: Kind::Tracking(view) }
    }

    fn arrival(device_ms: u64, arrival_ms: u64) -> Event {
        Event { arrival_ms: Some(arrival_ms), ..device(device_ms) }
    }

    /// Device time and time on the clock of each event, in the order of emission.
    fn clocks(events: impl IntoIterator<Item = Event>) -> Vec<(u64, EventTime)> {
        let (mut clock, mut seen) = (EventClock::default(), Vec::new());
        for event in events {
            clock.push(event, &mut |now, event| seen.push((event.device_ms, now)));
        }
        clock.finish(&mut |now, event| seen.push((event.device_ms, now)));
        seen
    }

    #[test]
    fn is_the_greatest_time_so_far() {
        let seen = clocks([5, 3, 10 * MINUTE + 5, 7].map(device));
        let last = 10 * MINUTE + 5;
        assert_eq!(seen, [(5, 5), (3, 5), (last, last), (7, last)]);
    }

    #[test]
    fn is_not_moved_by_a_device_more_than_ten_minutes_ahead() {
        let ahead = 10 * MINUTE + 1;
        assert_eq!(clocks([0, ahead, 1].map(device)), [(0, 0), (ahead, 0), (1, 1)]);
    }

    #[test]
    fn always_trusts_an_arrival_and_never_goes_backwards() {
        let far = 1000 * MINUTE;
        let seen = clocks([device(5), arrival(7, far), arrival(8, 6), device(9)]);
        assert_eq!(seen, [(5, 5), (7, far), (8, far), (9, far)]);
        assert_eq!(clocks([arrival(9, 4), device(5)]), [(9, 4), (5, 5)]);
        // The device's time is ignored if the event has an arrival time.
        assert_eq!(clocks([device(0), arrival(far, 6), device(7)]), [(0, 0), (far, 6), (7, 7)]);
        let run = (0..200).map(|_| arrival(far, 6));
        assert!(clocks([device(0)].into_iter().chain(run)).iter().all(|(_, clock)| *clock <= 6));
    }

    #[test]
    fn follows_a_gap_of_a_hundred_lines_from_its_first_event() {
        let night = 600 * MINUTE;
        let run = || (0..99).map(move |i| device(night + 100 - i));
        let short = clocks([device(0)].into_iter().chain(run()));
        assert!(short.iter().all(|(_, clock)| *clock == 0));
        let long = clocks([device(0)].into_iter().chain(run()).chain([device(night + 200)]));
        assert_eq!(long[..2], [(0, 0), (night + 100, night + 100)]);
        assert_eq!(long[99..], [(night + 2, night + 100), (night + 200, night + 200)]);
    }

    #[test]
    fn an_event_that_is_not_ahead_ends_the_run() {
        for breaker in [device(1), arrival(1, 1)] {
            let night = 600 * MINUTE;
            let run = |n| (0..n).map(move |_| device(night));
            let events = [device(0)].into_iter().chain(run(99)).chain([breaker]).chain(run(99));
            let seen = clocks(events);
            assert!(seen.iter().all(|(_, clock)| *clock <= 1));
            assert_eq!((seen.len(), seen[99].1, seen[101].1), (200, 0, 1));
        }
    }

    #[test]
    fn applies_the_same_rules_to_the_rest_of_a_gap() {
        let (night, later) = (600 * MINUTE, 1200 * MINUTE);
        let run = (0..99).map(|_| device(later));
        let events = [device(0), device(night)].into_iter().chain(run).chain([device(night + 1)]);
        let seen = clocks(events);
        assert_eq!(seen[1], (night, night));
        assert!(seen[2..101].iter().all(|&pair| pair == (later, night)));
        assert_eq!(seen[101], (night + 1, night + 1));
    }
}
