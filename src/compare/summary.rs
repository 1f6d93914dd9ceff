//! A comparison at a glance: `summary.json`, and the same for a reader.

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

/// A busy day has six classes; of more, the first are shown.
const CLASSES_SHOWN: usize = 12;

/// How much of a rule is shown, in characters: racers may be excluded by the hundred.
const RULE_CHARS: usize = 60;

/// The same under the old rules and under the new ones.
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

/// What changes in a class, and of how much.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassSummary {
    /// Distinct (second, racer).
    pub records: Pair<u64>,
    /// Seconds at which there is a record under either.
    pub boards: u64,
    /// Racers with a record.
    pub racers: Pair<u64>,
    /// Racers who have a record under the old rules only.
    pub racers_gone: u64,
    /// Racers who have a record under the new rules only.
    pub racers_new: u64,
    /// Racers on the leaderboard.
    pub leaderboard: Pair<u64>,
    /// Rides with a result.
    pub rides: Pair<u64>,
    /// What changes of these.
    #[serde(flatten)]
    pub counts: ClassCounts,
}

impl ClassSummary {
    fn new(census: ClassTotals, counts: ClassCounts) -> Self {
        Self {
            records: census.records.into(),
            boards: census.seconds.len() as u64,
            racers: census.racers.into(),
            racers_gone: census.racers_removed,
            racers_new: census.racers_added,
            leaderboard: census.leaderboard.into(),
            rides: census.rides.into(),
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
        // Whatever changes in an output or a rank changes a board.
        counts.boards_changed + counts.leaderboard_changed + counts.rides_changed == 0
    }
}

/// What a comparison took in, what came of it, and what it cost.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The identity of the old rules: the SHA-256 of `against.json`.
    pub old: String,
    /// The identity of the new rules: the SHA-256 of `rules.json`.
    pub new: String,
    /// The rules that differ, each as JSON.
    pub rules_changed: BTreeMap<String, Pair<Value>>,
    /// The time of the event clock as of which the results are, in ms since the epoch; none at the end of all events.
    pub as_of: Option<EventTime>,
    /// Events taken.
    pub events: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// Inputs whose end was lost to damage.
    pub damaged: u64,
    /// Events of rides that were over for more than an hour.
    pub late: Pair<u64>,
    /// What changes in each class of which anything is there.
    pub classes: BTreeMap<ClassId, ClassSummary>,
    /// What changes in all classes.
    pub total: ClassSummary,
    /// From the first byte read to the last change written.
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
    /// Sets which rules were compared.
    pub fn with_rules(self, old: &Rules, new: &Rules) -> Self {
        let rules_changed = differing(old, new);
        Self { old: rules::id(old), new: rules::id(new), rules_changed, ..self }
    }

    /// Sets what both sides hold, and what changes of it.
    pub fn with_changes(
        mut self,
        census: BTreeMap<ClassId, ClassTotals>,
        mut counts: BTreeMap<ClassId, ClassCounts>,
    ) -> Self {
        for (class, census) in census {
            let of_class = ClassSummary::new(census, counts.remove(&class).unwrap_or_default());
            self.total.add(&of_class);
            self.classes.insert(class, of_class);
        }
        self
    }

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

/// The rules that are not the same in both.
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

/// A rule's value as JSON, a long one by its start.
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
