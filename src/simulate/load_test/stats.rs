//! The statistics of a load test.

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};

use super::http_client::Acknowledgement;
use super::report::{Latency, Progress, Report};

/// Latencies are recorded in µs, to three significant digits, up to an hour: a request can be retried
/// as long as other requests are acknowledged.
const LATENCY_US: (u64, u64) = (1, 3_600_000_000);
const LATENCY_DIGITS: u8 = 3;

/// The statistics of all connections.
#[derive(Debug)]
pub(super) struct Stats {
    acknowledged: u64,
    rejected: u64,
    /// Why the first line was rejected.
    rejection: Option<String>,
    batches: u64,
    /// The number of batches or records that were sent again.
    pub(super) resent: u64,
    /// The number of requests or records that were throttled.
    pub(super) throttled: u64,
    /// The time of the last response, since the start.
    pub(super) last_acknowledged: Duration,
    /// The lag of the last batch behind its schedule; `None` without a schedule.
    lag: Option<Duration>,
    /// The maximum lag.
    lag_max: Option<Duration>,
    acknowledgement: Histogram<u64>,
    visible: Histogram<u64>,
    stale: u64,
}

impl Stats {
    /// Empty statistics.
    pub(super) fn new() -> Result<Self, CreationError> {
        let latencies = || Histogram::new_with_bounds(LATENCY_US.0, LATENCY_US.1, LATENCY_DIGITS);
        Ok(Self {
            acknowledged: 0,
            rejected: 0,
            rejection: None,
            batches: 0,
            resent: 0,
            throttled: 0,
            last_acknowledged: Duration::ZERO,
            lag: None,
            lag_max: None,
            acknowledgement: latencies()?,
            visible: latencies()?,
            stale: 0,
        })
    }

    /// Counts a batch whose first POST began at `begin`, `lag` behind its schedule, and was acknowledged
    /// at `end`.
    pub(super) fn acknowledge(
        &mut self,
        answer: &Acknowledgement,
        begin: Duration,
        end: Duration,
        lag: Option<Duration>,
    ) {
        self.acknowledged += answer.accepted;
        self.rejected += answer.rejected.len() as u64;
        if self.rejection.is_none() {
            self.rejection = answer.rejected.first().map(|rejected| rejected.error.clone());
        }
        self.batches += 1;
        self.last_acknowledged = self.last_acknowledged.max(end);
        self.lag = lag;
        self.lag_max = self.lag_max.max(lag);
        record(&mut self.acknowledgement, end.saturating_sub(begin));
    }

    /// Counts a request with records, sent `lag` behind its schedule and answered at `end`. `latencies`
    /// has the time since the first attempt for each accepted record.
    #[cfg(feature = "aws")]
    pub(super) fn put(
        &mut self,
        latencies: &[Duration],
        throttled: usize,
        end: Duration,
        lag: Option<Duration>,
    ) {
        self.acknowledged += latencies.len() as u64;
        self.throttled += throttled as u64;
        self.batches += u64::from(!latencies.is_empty());
        if !latencies.is_empty() || throttled > 0 {
            self.last_acknowledged = self.last_acknowledged.max(end);
        }
        // A request in which all records are sent again has no lag.
        self.lag = lag.or(self.lag);
        self.lag_max = self.lag_max.max(lag);
        latencies.iter().for_each(|latency| record(&mut self.acknowledgement, *latency));
    }

    /// Counts a line that is too long for a record.
    #[cfg(feature = "aws")]
    pub(super) fn reject(&mut self, reason: String) {
        self.rejected += 1;
        self.rejection.get_or_insert(reason);
    }

    /// Counts a probe that ended `latency` after the start of the batch's first POST.
    pub(super) fn probe(&mut self, is_shown: bool, latency: Duration) {
        self.stale += u64::from(!is_shown);
        record(&mut self.visible, latency);
    }

    /// The progress so far.
    pub(super) fn progress(&self) -> Progress {
        Progress { events: self.acknowledged, resent: self.resent, lag_ms: self.lag.map(ms) }
    }

    /// The report of a load test that took `wall`.
    pub(super) fn report(&self, wall: Duration) -> Report {
        let wall_seconds = wall.as_secs_f64();
        Report {
            events: self.acknowledged,
            rejected: self.rejected,
            rejection: self.rejection.clone(),
            batches: self.batches,
            resent: self.resent,
            throttled: self.throttled,
            wall_seconds,
            events_per_second: self.acknowledged as f64 / wall_seconds.max(f64::MIN_POSITIVE),
            lag_ms_max: self.lag_max.map(ms),
            acknowledged_ms: latency(&self.acknowledgement),
            visible_ms: latency(&self.visible),
            probes: self.visible.len(),
            stale: self.stale,
        }
    }
}

fn record(latencies: &mut Histogram<u64>, latency: Duration) {
    latencies.saturating_record(latency.as_micros() as u64);
}

/// The quantiles, or `None` if nothing was recorded.
fn latency(latencies: &Histogram<u64>) -> Option<Latency> {
    let at = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
    let max = latencies.max() as f64 / 1e3;
    let some = Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), max };
    (!latencies.is_empty()).then_some(some)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_reported_by_quantile_in_ms() {
        let mut stats = Stats::new().unwrap();
        assert_eq!(stats.report(Duration::ZERO).visible_ms, None);
        for ms in 1..=1_000 {
            stats.probe(ms != 7, Duration::from_millis(ms));
        }
        let report = stats.report(Duration::from_secs(1));
        assert_eq!((report.probes, report.stale), (1_000, 1));
        let latency = report.visible_ms.unwrap();
        let reported = [latency.p50, latency.p90, latency.p99, latency.max];
        for (reported, ms) in reported.into_iter().zip([500.0, 900.0, 990.0, 1_000.0]) {
            assert!((reported / ms - 1.0_f64).abs() < 0.001, "{reported} for {ms}");
        }
    }

    #[test]
    fn progress_has_the_last_lag_and_the_report_the_maximum() {
        let mut stats = Stats::new().unwrap();
        let answer = Acknowledgement { accepted: 10, rejected: Vec::new(), token: String::new() };
        for lag_ms in [5, 40, 3] {
            let lag = Some(Duration::from_millis(lag_ms));
            stats.acknowledge(&answer, Duration::ZERO, Duration::from_secs(2), lag);
        }
        assert_eq!(stats.progress(), Progress { events: 30, resent: 0, lag_ms: Some(3.0) });
        let report = stats.report(Duration::from_secs(2));
        assert_eq!((report.lag_ms_max, report.events_per_second), (Some(40.0), 15.0));
    }
}
