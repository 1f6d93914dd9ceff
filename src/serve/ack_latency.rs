//! The time from receiving events to acknowledging them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Bounds of the histogram: 1 us to a minute, twice the time limit of the log. With two significant
/// digits it needs about 20 KB.
const LATENCY_US: (u64, u64) = (1, 60_000_000);
const DIGITS: u8 = 2;

/// A histogram of the latencies since the previous [`AckLatency::take`].
#[derive(Debug)]
pub(super) struct AckLatency(Mutex<Option<Histogram<u64>>>);

/// Quantiles of a histogram, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct AckQuantiles {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl AckLatency {
    /// An empty histogram.
    pub(super) fn new() -> Self {
        // It is always `Some`: the bounds are in order, and there are no more than five digits.
        Self(Mutex::new(Histogram::new_with_bounds(LATENCY_US.0, LATENCY_US.1, DIGITS).ok()))
    }

    /// Records the latency of one request. A latency of more than a minute counts as a minute.
    pub(super) fn record(&self, latency: Duration) {
        let mut histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(histogram) = &mut *histogram {
            let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            histogram.saturating_record(latency_us);
        }
    }

    /// The quantiles since the previous call, or `None` if nothing was recorded; clears the histogram.
    pub(super) fn take(&self) -> Option<AckQuantiles> {
        let mut histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = histogram.as_mut().filter(|histogram| !histogram.is_empty())?;
        let quantile_ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        let quantiles = AckQuantiles { p50_ms: quantile_ms(0.5), p99_ms: quantile_ms(0.99) };
        histogram.reset();
        Some(quantiles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn take_returns_quantiles_in_ms_and_clears_them() {
        let latency = AckLatency::new();
        assert_eq!(latency.take(), None);
        (1..=1_000).for_each(|tenths| latency.record(Duration::from_micros(tenths * 100)));
        let AckQuantiles { p50_ms, p99_ms } = latency.take().unwrap();
        assert!((p50_ms / 50.0 - 1.0).abs() < 0.01 && (p99_ms / 99.0 - 1.0).abs() < 0.01);
        assert_eq!(latency.take(), None);
        latency.record(Duration::from_micros(1_500));
        assert_eq!(latency.take().map(|quantiles| quantiles.p99_ms.floor()), Some(1.0));
    }

    #[test]
    fn a_latency_over_the_bound_counts_as_the_bound() {
        let latency = AckLatency::new();
        latency.record(Duration::MAX);
        assert!(latency.take().unwrap().p50_ms >= 60_000.0);
    }
}
