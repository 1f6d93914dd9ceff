//! How long requests with events wait until they are acknowledged.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Waits are counted in µs, to two digits, up to a minute, in some 20 KB: twice as long as the log may take.
const WAIT_US: (u64, u64) = (1, 60_000_000);
const WAIT_DIGITS: u8 = 2;

/// The waits since they were last taken.
#[derive(Debug)]
pub(super) struct Acks(Mutex<Option<Histogram<u64>>>);

/// Half of the waits, and of a hundred all but one, were no longer than so many ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Waits {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Acks {
    /// None yet.
    pub(super) fn new() -> Self {
        // There is one: the bounds are in order and the digits no more than five.
        Self(Mutex::new(Histogram::new_with_bounds(WAIT_US.0, WAIT_US.1, WAIT_DIGITS).ok()))
    }

    /// Counts a request that waited so long.
    pub(super) fn record(&self, wait: Duration) {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waits) = &mut *waits {
            waits.saturating_record(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// What the waits since the last call come to; none where nothing was acknowledged.
    pub(super) fn take(&self) -> Option<Waits> {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = waits.as_mut().filter(|waits| !waits.is_empty())?;
        let at = |quantile| waits.value_at_quantile(quantile) as f64 / 1e3;
        let taken = Waits { p50_ms: at(0.5), p99_ms: at(0.99) };
        waits.reset();
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_by_quantile_in_ms_and_only_once() {
        let acks = Acks::new();
        assert_eq!(acks.take(), None);
        (1..=1_000).for_each(|tenths| acks.record(Duration::from_micros(tenths * 100)));
        let Waits { p50_ms, p99_ms } = acks.take().unwrap();
        assert!((p50_ms / 50.0 - 1.0).abs() < 0.01 && (p99_ms / 99.0 - 1.0).abs() < 0.01);
        assert_eq!(acks.take(), None);
        acks.record(Duration::from_micros(1_500));
        assert_eq!(acks.take().map(|waits| waits.p99_ms.floor()), Some(1.0));
    }

    #[test]
    fn a_wait_beyond_all_bounds_is_the_longest() {
        let acks = Acks::new();
        acks.record(Duration::MAX);
        assert!(acks.take().unwrap().p50_ms >= 60_000.0);
    }
}
