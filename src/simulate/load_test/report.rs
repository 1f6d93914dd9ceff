//! The progress and the report of a load test, as JSON and as text.

use std::fmt;

use indicatif::HumanCount;
use serde::Serialize;

/// The progress of a load test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The events acknowledged so far.
    pub events: u64,
    /// The number of batches, or records of a stream, that were sent again.
    pub resent: u64,
    /// The lag of the last batch behind its schedule, in ms; `None` at rate max.
    pub lag_ms: Option<f64>,
}

/// The report of a load test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The events acknowledged.
    pub events: u64,
    /// The lines that were rejected. There should be none.
    pub rejected: u64,
    /// Why the first line was rejected.
    pub rejection: Option<String>,
    /// The batches acknowledged; for a stream, the requests with an accepted record.
    pub batches: u64,
    /// The number of batches, or records of a stream, that were sent again after a temporary failure.
    pub resent: u64,
    /// The number of requests, or records of a stream, that were throttled.
    pub throttled: u64,
    /// The time from the start to the last response.
    pub wall_seconds: f64,
    /// `events / wall_seconds`.
    pub events_per_second: f64,
    /// The maximum lag of a batch behind its schedule, in ms; `None` at rate max.
    pub lag_ms_max: Option<f64>,
    /// The time from the start of a batch's first POST, or of a record's first request, to its
    /// acknowledgement.
    pub acknowledged_ms: Option<Latency>,
    /// The time from the start of a batch's first POST until the standings showed one of its events.
    pub visible_ms: Option<Latency>,
    /// The number of batches that were probed in the standings.
    pub probes: u64,
    /// The number of probed batches that were missing although acknowledged: a fault of the service.
    pub stale: u64,
}

/// Latencies by quantile, in ms, to three significant digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The maximum.
    pub max: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n| HumanCount(n).to_string();
        writeln!(f, "events    {:>14}", count(self.events))?;
        write!(f, "rejected  {:>14}", count(self.rejected))?;
        match &self.rejection {
            Some(reason) => writeln!(f, "  (the first: {reason})")?,
            None => writeln!(f)?,
        }
        writeln!(f, "batches   {:>14}", count(self.batches))?;
        writeln!(f, "resent    {:>14}", count(self.resent))?;
        writeln!(f, "throttled {:>14}", count(self.throttled))?;
        let rate = count(self.events_per_second as u64);
        write!(f, "wall      {:>12.2} s  ({rate} events/s)", self.wall_seconds)?;
        if let Some(lag_ms) = self.lag_ms_max {
            write!(f, "\nlag       {lag_ms:>11.1} ms  (maximum behind the schedule)")?;
        }
        if self.probes > 0 {
            let probes = count(self.probes);
            write!(f, "\nstale     {:>14}  (of {probes} probes)", count(self.stale))?;
        }
        for (name, latency) in
            [("acknowledged", self.acknowledged_ms), ("visible", self.visible_ms)]
        {
            if let Some(Latency { p50, p90, p99, max }) = latency {
                write!(
                    f,
                    "\n{name:<12} p50 {p50:>8.2} ms, p90 {p90:>8.2} ms, p99 {p99:>8.2} ms, max {max:>8.2} ms"
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: Report = Report {
        events: 1_234_567,
        rejected: 0,
        rejection: None,
        batches: 2_470,
        resent: 3,
        throttled: 2,
        wall_seconds: 60.0,
        events_per_second: 20_576.1,
        lag_ms_max: Some(12.345),
        acknowledged_ms: Some(Latency { p50: 1.25, p90: 2.0, p99: 10.5, max: 33.0 }),
        visible_ms: None,
        probes: 7,
        stale: 0,
    };

    #[test]
    fn the_text_omits_what_does_not_apply() {
        let text = "\
events         1,234,567
rejected               0
batches            2,470
resent                 3
throttled              2
wall             60.00 s  (20,576 events/s)
lag              12.3 ms  (maximum behind the schedule)
stale                  0  (of 7 probes)
acknowledged p50     1.25 ms, p90     2.00 ms, p99    10.50 ms, max    33.00 ms";
        assert_eq!(REPORT.to_string(), text);
        let report = Report {
            rejected: 2,
            rejection: Some("no second".to_owned()),
            lag_ms_max: None,
            visible_ms: REPORT.acknowledged_ms,
            probes: 0,
            ..REPORT
        };
        let text = report.to_string();
        assert!(text.contains("rejected               2  (the first: no second)\n"), "{text}");
        assert!(!text.contains("lag") && !text.contains("stale"), "{text}");
        assert!(text.contains("\nvisible      p50     1.25 ms"), "{text}");
    }

    #[test]
    fn the_json_is_one_object() {
        assert_eq!(
            serde_json::to_value(REPORT).unwrap(),
            serde_json::json!({
                "events": 1_234_567, "rejected": 0, "rejection": null, "batches": 2_470,
                "resent": 3, "throttled": 2, "wallSeconds": 60.0, "eventsPerSecond": 20_576.1,
                "lagMsMax": 12.345, "probes": 7, "stale": 0, "visibleMs": null,
                "acknowledgedMs": {"p50": 1.25, "p90": 2.0, "p99": 10.5, "max": 33.0},
            })
        );
    }
}
