//! The summary of a run, as `summary.json` and as text for the terminal.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use velodrome_dataflows::EventTime;

use super::error::WriteError;
use super::input_counts::{InputCounts, display_as_of};
use crate::ingest::missing_segments::MissingSegments;
use crate::ingest::rejections::Rejections;
use crate::memory::peak_resident_bytes;

/// File of the summary.
pub const SUMMARY: &str = "summary.json";

/// What late samples are, in the text for the terminal.
pub const LATE: &str =
    "more than an hour after the end of their ride; they change records, but no result";

/// Input counts, result counts and cost of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The `rulesId`: the SHA-256 of `rules.json`.
    pub rules_id: String,
    /// The event time that the results are as of, in ms since the epoch. `None` if all events are
    /// included.
    pub as_of: Option<EventTime>,
    /// Events accepted.
    pub events: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// Inputs that could not be read to their end.
    pub damaged: u64,
    /// Why lines were rejected, and which inputs are damaged.
    #[serde(default)]
    pub rejections: Rejections,
    /// Segments of a service's log that are missing among the inputs.
    #[serde(default)]
    pub missing: Vec<MissingSegments>,
    /// Samples that arrived more than an hour after the end of their ride.
    pub late: u64,
    /// Rides with a result.
    pub rides: u64,
    /// Number of records: distinct (class, second, racer).
    pub records: u64,
    /// Time from the first byte read to the last result written.
    pub wall_seconds: f64,
    /// `events / wall_seconds`.
    pub events_per_second: f64,
    /// Number of worker threads in all processes.
    pub workers: usize,
    /// Number of processes.
    pub processes: usize,
    /// Peak resident memory of the process that writes the results, in bytes.
    pub peak_rss_bytes: u64,
}

impl Summary {
    /// Sets the cost of the run: `wall_seconds`, the event rate, and the peak memory so far.
    pub fn with_cost(self, wall_seconds: f64) -> Self {
        let events_per_second = self.events as f64 / wall_seconds.max(f64::MIN_POSITIVE);
        Self { wall_seconds, events_per_second, peak_rss_bytes: peak_resident_bytes(), ..self }
    }

    /// What was read.
    pub fn input_counts(&self) -> InputCounts<'_> {
        let Self { events, rejected, damaged, ref rejections, ref missing, .. } = *self;
        InputCounts { events, rejected, damaged, rejections, missing }
    }

    /// Writes the summary as JSON to `path`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        let json = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        json.and_then(|json| fs::write(path, json)).map_err(|e| WriteError::new(path, e))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n| indicatif::HumanCount(n).to_string();
        write!(f, "{}", self.input_counts())?;
        writeln!(f, "late      {:>14}  ({LATE})", count(self.late))?;
        writeln!(f, "rides     {:>14}", count(self.rides))?;
        writeln!(f, "records   {:>14}", count(self.records))?;
        writeln!(f, "rules     {:.12}", self.rules_id)?;
        writeln!(f, "{}", display_as_of(self.as_of))?;
        let rate = count(self.events_per_second as u64);
        writeln!(f, "wall      {:>12.2} s  ({rate} events/s)", self.wall_seconds)?;
        let (workers, processes) = (self.workers, self.processes);
        let peak = self.peak_rss_bytes as f64 / 1e6;
        write!(f, "peak      {peak:>11.0} MB  (workers: {workers}, processes: {processes})")
    }
}
