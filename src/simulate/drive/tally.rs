//! Counts what becomes of the posts of a drive.

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};

use super::client::Acknowledgement;
use super::{Latency, Report, Snapshot};

/// Latencies are counted in µs, to three digits, up to an hour: a post may wait for a service for as
/// long as others are acknowledged.
const LATENCY_US: (u64, u64) = (1, 3_600_000_000);
const LATENCY_DIGITS: u8 = 3;

/// The counts of all connections.
#[derive(Debug)]
pub(super) struct Tally {
    acknowledged: u64,
    rejected: u64,
    /// Why the first line was rejected.
    rejection: Option<String>,
    batches: u64,
    /// How often something was sent once more.
    pub(super) resent: u64,
    /// How often something was too much at a time.
    pub(super) throttled: u64,
    /// When the last answer came, since the beginning of the drive.
    pub(super) last_acknowledged: Duration,
    /// How late the last batch was sent, and the latest; none where there is no schedule.
    lag: Option<Duration>,
    lag_max: Option<Duration>,
    acknowledgement: Histogram<u64>,
    visible: Histogram<u64>,
    stale: u64,
}

impl Tally {
    /// Nothing yet.
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

    /// Counts a batch whose first POST began at `begin`, `lag` behind its schedule, and whose
    /// answer came at `end`.
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

    /// Counts a request that put records, of which those that were taken took so long each since they were
    /// first sent, `lag` behind its schedule, and whose answer came at `end`.
    #[cfg(feature = "aws")]
    pub(super) fn put(
        &mut self,
        took: &[Duration],
        throttled: usize,
        end: Duration,
        lag: Option<Duration>,
    ) {
        self.acknowledged += took.len() as u64;
        self.throttled += throttled as u64;
        self.batches += u64::from(!took.is_empty());
        if !took.is_empty() || throttled > 0 {
            self.last_acknowledged = self.last_acknowledged.max(end);
        }
        // A request of records that all go again tells nothing of the schedule.
        self.lag = lag.or(self.lag);
        self.lag_max = self.lag_max.max(lag);
        took.iter().for_each(|took| record(&mut self.acknowledgement, *took));
    }

    /// Counts a line that no record can hold.
    #[cfg(feature = "aws")]
    pub(super) fn reject(&mut self, reason: String) {
        self.rejected += 1;
        self.rejection.get_or_insert(reason);
    }

    /// Counts a look for an event, which was there `latency` after its POST began, or was not.
    pub(super) fn probe(&mut self, is_seen: bool, latency: Duration) {
        self.stale += u64::from(!is_seen);
        record(&mut self.visible, latency);
    }

    /// How it goes.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { events: self.acknowledged, resent: self.resent, lag_ms: self.lag.map(ms) }
    }

    /// What it came to in `wall`.
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

/// None where nothing was recorded.
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
    fn latencies_are_told_by_quantile_in_ms() {
        let mut tally = Tally::new().unwrap();
        assert_eq!(tally.report(Duration::ZERO).visible_ms, None);
        for ms in 1..=1_000 {
            tally.probe(ms != 7, Duration::from_millis(ms));
        }
        let report = tally.report(Duration::from_secs(1));
        assert_eq!((report.probes, report.stale), (1_000, 1));
        let latency = report.visible_ms.unwrap();
        let told = [latency.p50, latency.p90, latency.p99, latency.max];
        for (told, ms) in told.into_iter().zip([500.0, 900.0, 990.0, 1_000.0]) {
            assert!((told / ms - 1.0_f64).abs() < 0.001, "{told} for {ms}");
        }
    }

    #[test]
    fn lag_is_the_greatest_in_the_end_and_the_last_on_the_way() {
        let mut tally = Tally::new().unwrap();
        let answer = Acknowledgement { accepted: 10, rejected: Vec::new(), token: String::new() };
        for lag_ms in [5, 40, 3] {
            let lag = Some(Duration::from_millis(lag_ms));
            tally.acknowledge(&answer, Duration::ZERO, Duration::from_secs(2), lag);
        }
        assert_eq!(tally.snapshot(), Snapshot { events: 30, resent: 0, lag_ms: Some(3.0) });
        let report = tally.report(Duration::from_secs(2));
        assert_eq!((report.lag_ms_max, report.events_per_second), (Some(40.0), 15.0));
    }
}
