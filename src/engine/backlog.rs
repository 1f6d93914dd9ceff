//! The advances that the workers have not completed yet: their age, and the time at which they are
//! complete.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use velodrome_dataflows::EventTime;

use crate::log::TICK_MS;

/// The advances that were sent to the workers and are not complete.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    last: AtomicU64,
    /// The first advance that is not complete, and when it was sent.
    oldest: Mutex<Option<(EventTime, Instant)>>,
}

impl Backlog {
    /// Records an advance to `clock`. The workers are complete up to `complete`.
    pub(super) fn push(&self, clock: EventTime, complete: EventTime) {
        self.last.store(clock, Ordering::Release);
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        if oldest.is_none_or(|(clock, _)| completes_at(clock) <= complete) {
            *oldest = Some((clock, Instant::now()));
        }
    }

    /// Forgets all advances.
    pub(super) fn clear(&self) {
        *self.oldest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How long the oldest advance has been incomplete, given that the workers are complete up to
    /// `complete`.
    ///
    /// The age is wall time, because the event clock runs many times faster while a service catches up.
    pub(super) fn age(&self, complete: EventTime) -> Duration {
        let oldest = *self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = oldest.filter(|(clock, _)| completes_at(*clock) > complete);
        pending.map_or(Duration::ZERO, |(_, sent)| sent.elapsed())
    }

    /// The complete time that the workers reach when they have processed the last advance.
    pub(super) fn completes_at(&self) -> EventTime {
        completes_at(self.last.load(Ordering::Acquire))
    }
}

/// The complete time that follows from an advance to `clock`: one less than `clock` rounded up to a
/// tick, because the logical times of events are rounded up to ticks.
pub(super) fn completes_at(clock: EventTime) -> EventTime {
    clock.next_multiple_of(TICK_MS).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_in_wall_time_at_any_speed_of_the_event_clock() {
        let backlog = Backlog::default();
        assert_eq!(backlog.age(0), Duration::ZERO);
        backlog.push(1_000_000, 0);
        backlog.push(9_000_000, 0);
        let age = backlog.age(0);
        // The event clock advanced by more than two hours while almost no wall time passed.
        assert!(age > Duration::ZERO && age < Duration::from_secs(60), "{age:?}");
        assert_eq!(backlog.age(999_999), Duration::ZERO);
        backlog.push(9_500_000, 999_999);
        assert!(backlog.age(9_400_000) > Duration::ZERO);
        assert_eq!(backlog.age(9_499_999), Duration::ZERO);
    }
}
