//! How a run went: `summary.json`, and the same for a reader.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use velodrome_dataflows::EventTime;

use super::WriteError;
use crate::memory::peak_resident_bytes;

/// File of the summary.
pub const SUMMARY: &str = "summary.json";

/// What a run took in, what came of it, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The identity of the rules: the SHA-256 of `rules.json`.
    pub rules_id: String,
    /// The time of the event clock as of which the results are, in ms since the epoch; none at the end of all events.
    pub as_of: Option<EventTime>,
    /// Events taken.
    pub events: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// Inputs whose end was lost to damage.
    pub damaged: u64,
    /// Events of rides that were over for more than an hour.
    pub late: u64,
    /// Rides with a result.
    pub rides: u64,
    /// Distinct (class, second, racer).
    pub records: u64,
    /// From the first byte read to the last result written.
    pub wall_seconds: f64,
    /// `events / wall_seconds`.
    pub events_per_second: f64,
    /// Worker threads in all processes.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// Peak resident memory of the process that writes, in bytes.
    pub peak_rss_bytes: u64,
}

impl Summary {
    /// Sets what the run cost: `wall_seconds`, the rate, and the peak memory up to now.
    pub fn with_cost(self, wall_seconds: f64) -> Self {
        let events_per_second = self.events as f64 / wall_seconds.max(f64::MIN_POSITIVE);
        Self { wall_seconds, events_per_second, peak_rss_bytes: peak_resident_bytes(), ..self }
    }

    /// Writes it as JSON at `path`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        let json = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        json.and_then(|json| fs::write(path, json)).map_err(|e| WriteError::new(path, e))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n| indicatif::HumanCount(n).to_string();
        writeln!(f, "events    {:>14}", count(self.events))?;
        writeln!(f, "rejected  {:>14}", count(self.rejected))?;
        if self.damaged > 0 {
            writeln!(f, "damaged   {:>14}  (inputs cut short)", count(self.damaged))?;
        }
        writeln!(f, "late      {:>14}", count(self.late))?;
        writeln!(f, "rides     {:>14}", count(self.rides))?;
        writeln!(f, "records   {:>14}", count(self.records))?;
        let rate = count(self.events_per_second as u64);
        writeln!(f, "wall      {:>12.2} s  ({rate} events/s)", self.wall_seconds)?;
        let (workers, processes) = (self.workers, self.processes);
        let peak = self.peak_rss_bytes as f64 / 1e6;
        write!(f, "peak      {peak:>11.0} MB  (workers: {workers}, processes: {processes})")
    }
}
