//! The summary of a comparison, as `summary.json` and as text for the terminal.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use indicatif::HumanCount;
use serde::Serialize;
use serde_json::Value;
use velodrome_dataflows::{ClassId, ClassTotals, EventTime, Rules};

use super::counts::{ClassCounts, Move};
use crate::memory::peak_resident_bytes;
use crate::results::WriteError;
use crate::rules;

/// Maximum number of classes shown. A busy day has six.
const CLASSES_SHOWN: usize = 12;

/// Maximum number of characters shown of a rule. A rule may exclude hundreds of racers.
const RULE_CHARS: usize = 60;

/// A value under the old rules and under the new rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// Under the old rules.
    pub old: T,
    /// Under the new rules.
    pub new: T,
}

impl<T> From<[T; 2]> for Pair<T> {
    fn from([old, new]: [T; 2]) -> Self {
        Self { old, new }
    }
}

/// The totals of a class under both rules, and the counts of its changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassSummary {
    /// Number of records: distinct (second, racer).
    pub records: Pair<u64>,
    /// Number of seconds with a record under either rules.
    pub boards: u64,
    /// Number of racers with a record.
    pub racers: Pair<u64>,
    /// Number of racers with a record under the old rules only.
    pub racers_gone: u64,
    /// Number of racers with a record under the new rules only.
    pub racers_new: u64,
    /// Number of racers on the leaderboard.
    pub leaderboard: Pair<u64>,
    /// Number of rides with a result.
    pub rides: Pair<u64>,
    /// The counts of the changes.
    #[serde(flatten)]
    pub counts: ClassCounts,
}

impl ClassSummary {
    fn new(totals: ClassTotals, counts: ClassCounts) -> Self {
        Self {
            records: totals.records.into(),
            boards: totals.seconds.len() as u64,
            racers: totals.racers.into(),
            racers_gone: totals.racers_removed,
            racers_new: totals.racers_added,
            leaderboard: totals.leaderboard.into(),
            rides: totals.rides.into(),
            counts,
        }
    }

    fn add(&mut self, other: &Self) {
        let add = |ours: &mut Pair<u64>, theirs: Pair<u64>| {
            ours.old += theirs.old;
            ours.new += theirs.new;
        };
        add(&mut self.records, other.records);
        add(&mut self.racers, other.racers);
        add(&mut self.leaderboard, other.leaderboard);
        add(&mut self.rides, other.rides);
        self.boards += other.boards;
        self.racers_gone += other.racers_gone;
        self.racers_new += other.racers_new;
        self.counts.add(other.counts.clone());
    }

    fn is_unchanged(&self) -> bool {
        let counts = &self.counts;
        // Every change of an output or a rank is a change of a board.
        counts.boards_changed + counts.leaderboard_changed + counts.rides_changed == 0
    }
}

/// Input counts, change counts and cost of a comparison.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The `rulesId` of the old rules: the SHA-256 of `against.json`.
    pub old: String,
    /// The `rulesId` of the new rules: the SHA-256 of `rules.json`.
    pub new: String,
    /// The rules that differ, each as JSON.
    pub rules_changed: BTreeMap<String, Pair<Value>>,
    /// Time of the event clock that the results are as of, in ms since the epoch. `None` for the end of
    /// all events.
    pub as_of: Option<EventTime>,
    /// Events accepted.
    pub events: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// Inputs that could not be read to their end.
    pub damaged: u64,
    /// Samples that came more than an hour after the end of their ride.
    pub late: Pair<u64>,
    /// The changes of each class that has any data.
    pub classes: BTreeMap<ClassId, ClassSummary>,
    /// The changes of all classes together.
    pub total: ClassSummary,
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
    /// Sets the identities of the compared rules, and their differences.
    pub fn with_rules(self, old: &Rules, new: &Rules) -> Self {
        let rules_changed = differing(old, new);
        Self { old: rules::id(old), new: rules::id(new), rules_changed, ..self }
    }

    /// Sets the totals and the change counts of every class.
    pub fn with_changes(
        mut self,
        totals: BTreeMap<ClassId, ClassTotals>,
        mut counts: BTreeMap<ClassId, ClassCounts>,
    ) -> Self {
        for (class, totals) in totals {
            let of_class = ClassSummary::new(totals, counts.remove(&class).unwrap_or_default());
            self.total.add(&of_class);
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
fn differing(old: &Rules, new: &Rules) -> BTreeMap<String, Pair<Value>> {
    let object = |rules| match serde_json::from_str(&rules::canonical(rules)) {
        Ok(Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let (mut old, mut new) = (object(old), object(new));
    let keys: Vec<_> = old.keys().chain(new.keys()).cloned().collect();
    let mut differing = BTreeMap::new();
    for key in keys {
        let pair = Pair {
            old: old.remove(&key).unwrap_or_default(),
            new: new.remove(&key).unwrap_or_default(),
        };
        if pair.old != pair.new {
            differing.insert(key, pair);
        }
    }
    differing
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules_changed.is_empty() {
            writeln!(f, "rules     {:.12}, the same on both sides", self.new)?;
        } else {
            writeln!(f, "rules     {:.12} to {:.12}", self.old, self.new)?;
        }
        for (rule, Pair { old, new }) in &self.rules_changed {
            writeln!(f, "  {rule}: {} to {}", shown(old), shown(new))?;
        }
        let count = |n| HumanCount(n).to_string();
        writeln!(f, "events    {:>14}", count(self.events))?;
        writeln!(f, "rejected  {:>14}", count(self.rejected))?;
        if self.damaged > 0 {
            writeln!(f, "damaged   {:>14}  (inputs cut short)", count(self.damaged))?;
        }
        writeln!(f, "late      {:>14}  (before {})", count(self.late.new), count(self.late.old))?;
        let rate = count(self.events_per_second as u64);
        writeln!(f, "wall      {:>12.2} s  ({rate} events/s)", self.wall_seconds)?;
        let (workers, processes) = (self.workers, self.processes);
        let peak = self.peak_rss_bytes as f64 / 1e6;
        writeln!(f, "peak      {peak:>11.0} MB  (workers: {workers}, processes: {processes})\n")?;
        if self.total.is_unchanged() {
            return write!(f, "nothing changes");
        }
        writeln!(
            f,
            "class        records      changed        ranks       boards  leaderboard  podiums  \
             winners     gone      new"
        )?;
        for (class, of_class) in self.classes.iter().take(CLASSES_SHOWN) {
            write_class(f, &format!("{class:>5}"), of_class)?;
        }
        if self.classes.len() > CLASSES_SHOWN {
            writeln!(f, "  and {} more classes", self.classes.len() - CLASSES_SHOWN)?;
        }
        write_class(f, "total", &self.total)?;
        let shown = self.classes.values().take(CLASSES_SHOWN);
        let mut moves = shown.flat_map(|of_class| &of_class.counts.moves).peekable();
        if moves.peek().is_some() {
            write!(f, "\nlargest moves")?;
        }
        moves.try_for_each(|moved| write_move(f, moved))
    }
}

fn write_class(f: &mut fmt::Formatter<'_>, name: &str, of_class: &ClassSummary) -> fmt::Result {
    let count = |n| HumanCount(n).to_string();
    let ClassSummary { records, boards, racers_gone, racers_new, counts, .. } = of_class;
    let boards = format!("{} of {boards}", counts.boards_changed);
    writeln!(
        f,
        "{name} {:>14} {:>12} {:>12} {boards:>12} {:>12} {:>8} {:>8} {:>8} {:>8}",
        count(records.old.max(records.new)),
        count(counts.outputs_changed),
        count(counts.ranks_changed),
        count(counts.leaderboard_changed),
        count(counts.podiums_changed),
        count(counts.winners_changed),
        count(*racers_gone),
        count(*racers_new),
    )
}

fn write_move(f: &mut fmt::Formatter<'_>, moved: &Move) -> fmt::Result {
    let Move { class_id, second, racer_id, old_rank, new_rank, old_output, new_output } = moved;
    write!(
        f,
        "\n  class {class_id} second {second:>3} racer {racer_id}: rank {old_rank} to {new_rank}, \
         output {:.2} to {:.2}",
        old_output.0, new_output.0
    )
}

/// The value of a rule as JSON. A long value is shortened.
fn shown(value: &Value) -> String {
    if value.is_null() {
        return "none".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(RULE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
