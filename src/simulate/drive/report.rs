//! How a drive goes, and what it came to: as JSON, and for a reader.

use std::fmt;

use indicatif::HumanCount;
use serde::Serialize;

/// How a drive goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Events acknowledged so far.
    pub events: u64,
    /// How often a batch, or a record of a stream, was sent once more.
    pub resent: u64,
    /// How far behind its schedule the last batch was sent, in ms; none at rate max.
    pub lag_ms: Option<f64>,
}

/// What a drive came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Events acknowledged.
    pub events: u64,
    /// Lines that were rejected; there should be none.
    pub rejected: u64,
    /// Why the first of them was rejected.
    pub rejection: Option<String>,
    /// Batches acknowledged; of a stream, requests answered.
    pub batches: u64,
    /// How often a batch, or a record of a stream, was sent once more, after a failure that passes.
    pub resent: u64,
    /// How often a request, or a record of a stream, was turned away as too much at a time.
    pub throttled: u64,
    /// From the beginning to the last answer.
    pub wall_seconds: f64,
    /// `events / wall_seconds`.
    pub events_per_second: f64,
    /// How far behind its schedule a batch was sent, at most, in ms; none at rate max.
    pub lag_ms_max: Option<f64>,
    /// From the begin of a batch's first POST, or a record's first request, to its acknowledgement.
    pub acknowledged_ms: Option<Latency>,
    /// From the begin of a batch's first POST until the standings told of an event of it.
    pub visible_ms: Option<Latency>,
    /// How many batches were looked for in the standings.
    pub probes: u64,
    /// How many of them were not there, though acknowledged: a fault of the service.
    pub stale: u64,
}

/// Latencies by quantile, in ms, to three digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half were no longer.
    pub p50: f64,
    /// Nine in ten.
    pub p90: f64,
    /// 99 in a hundred.
    pub p99: f64,
    /// The longest.
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
            write!(f, "\nlag       {lag_ms:>11.1} ms  (behind the schedule, at most)")?;
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
    fn is_told_in_lines_without_what_does_not_apply() {
        let text = "\
events         1,234,567
rejected               0
batches            2,470
resent                 3
throttled              2
wall             60.00 s  (20,576 events/s)
lag              12.3 ms  (behind the schedule, at most)
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
    fn is_one_json_object() {
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
