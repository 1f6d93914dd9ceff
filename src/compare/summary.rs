//! The summary of a comparison, as `summary.json`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use velodrome_dataflows::{ClassId, ClassTotals, EventTime, Rules};

use super::class_changes::ClassChanges;
use super::class_summary::{ClassNumbers, ClassSummary};
use super::old_new::OldNew;
use super::ranks::Ranks;
use crate::ingest::missing_segments::MissingSegments;
use crate::ingest::rejections::Rejections;
use crate::memory::peak_resident_bytes;
use crate::results::{InputCounts, WriteError};
use crate::rules;

/// Input counts, change counts and cost of a comparison.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The `rulesId` of the old rules: the SHA-256 of `against.json`.
    pub old: String,
    /// The `rulesId` of the new rules: the SHA-256 of `rules.json`.
    pub new: String,
    /// Which records `changes.jsonl` lists.
    pub ranks: Ranks,
    /// The rules that differ, each as JSON.
    pub rules_changed: BTreeMap<String, OldNew<Value>>,
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
    pub rejections: Rejections,
    /// Segments of a service's log that are missing among the inputs.
    pub missing: Vec<MissingSegments>,
    /// Samples that arrived more than an hour after the end of their ride.
    pub late: OldNew<u64>,
    /// The changes of each class that has any data.
    pub classes: BTreeMap<ClassId, ClassSummary>,
    /// The changes of all classes together.
    pub total: ClassNumbers,
    /// Time from the first byte read to the last change written.
    pub wall_seconds: f64,
    /// `events / wall_seconds`.
    pub events_per_second: f64,
    /// Number of worker threads in all processes.
    pub workers: usize,
    /// Number of processes.
    pub processes: usize,
    /// Peak resident memory of the process that writes the changes, in bytes.
    pub peak_rss_bytes: u64,
}

impl Summary {
    /// What was read.
    pub fn input_counts(&self) -> InputCounts<'_> {
        let Self { events, rejected, damaged, ref rejections, ref missing, .. } = *self;
        InputCounts { events, rejected, damaged, rejections, missing }
    }

    /// Sets the ids of the compared rules, and the rules that differ.
    pub fn with_rules(self, old: &Rules, new: &Rules) -> Self {
        let rules_changed = differing(old, new);
        Self { old: rules::id(old), new: rules::id(new), rules_changed, ..self }
    }

    /// Sets the totals and the changes of every class.
    pub fn with_changes(
        mut self,
        totals: BTreeMap<ClassId, ClassTotals>,
        mut changes: BTreeMap<ClassId, ClassChanges>,
    ) -> Self {
        for (class, totals) in totals {
            let of_class = ClassSummary::new(totals, changes.remove(&class).unwrap_or_default());
            self.total.add(&of_class.numbers);
            self.classes.insert(class, of_class);
        }
        self
    }

    /// Sets the cost of the run: `wall_seconds`, the event rate, and the peak memory so far.
    pub fn with_cost(self, wall_seconds: f64) -> Self {
        let events_per_second = self.events as f64 / wall_seconds.max(f64::MIN_POSITIVE);
        Self { wall_seconds, events_per_second, peak_rss_bytes: peak_resident_bytes(), ..self }
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

/// The rules that differ.
fn differing(old: &Rules, new: &Rules) -> BTreeMap<String, OldNew<Value>> {
    let object = |rules| match serde_json::from_str(&rules::canonical(rules)) {
        Ok(Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let (mut old, mut new) = (object(old), object(new));
    let keys: Vec<_> = old.keys().chain(new.keys()).cloned().collect();
    let mut differing = BTreeMap::new();
    for key in keys {
        let pair = OldNew {
            old: old.remove(&key).unwrap_or_default(),
            new: new.remove(&key).unwrap_or_default(),
        };
        if pair.old != pair.new {
            differing.insert(key, pair);
        }
    }
    differing
}
