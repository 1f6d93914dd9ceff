//! The summary of a comparison as text for the terminal.

use std::fmt;

use indicatif::HumanCount;
use serde_json::Value;

use super::class_summary::ClassNumbers;
use super::highlights::Highlights;
use super::old_new::OldNew;
use super::summary::Summary;
use crate::results::display_as_of;

/// Maximum number of classes shown. A busy day has six.
const CLASSES_SHOWN: usize = 12;

/// Maximum number of characters shown of a rule. A rule may exclude hundreds of racers.
const RULE_CHARS: usize = 60;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules_changed.is_empty() {
            writeln!(f, "rules     {:.12}, the same on both sides", self.new)?;
        } else {
            writeln!(f, "rules     {:.12} to {:.12}", self.old, self.new)?;
        }
        for (rule, OldNew { old, new }) in &self.rules_changed {
            writeln!(f, "  {rule}: {} to {}", shown(old), shown(new))?;
        }
        let count = |n| HumanCount(n).to_string();
        writeln!(f, "{}", display_as_of(self.as_of))?;
        write!(f, "{}", self.input_counts())?;
        writeln!(
            f,
            "late      {:>14}  (old rules: {})",
            count(self.late.new),
            count(self.late.old)
        )?;
        let rate = count(self.events_per_second as u64);
        writeln!(f, "wall      {:>12.2} s  ({rate} events/s)", self.wall_seconds)?;
        let (workers, processes) = (self.workers, self.processes);
        let peak = self.peak_rss_bytes as f64 / 1e6;
        writeln!(f, "peak      {peak:>11.0} MB  (workers: {workers}, processes: {processes})\n")?;
        if self.total.is_unchanged() {
            return writeln!(f, "no changes");
        }
        writeln!(
            f,
            "class        records      outputs        ranks       boards  leaderboard  podiums  \
             winners  removed    added"
        )?;
        for (class, of_class) in self.classes.iter().take(CLASSES_SHOWN) {
            write_class(f, &format!("{class:>5}"), &of_class.numbers)?;
        }
        if self.classes.len() > CLASSES_SHOWN {
            writeln!(f, "  and {} more classes", self.classes.len() - CLASSES_SHOWN)?;
        }
        write_class(f, "total", &self.total)?;
        write!(f, "{}", Highlights(self))
    }
}

fn write_class(f: &mut fmt::Formatter<'_>, name: &str, of_class: &ClassNumbers) -> fmt::Result {
    let count = |n| HumanCount(n).to_string();
    let ClassNumbers { records, boards, racers_gone, racers_new, counts, .. } = of_class;
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
