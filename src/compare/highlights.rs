//! The changes that a summary lists by name, as text for the terminal.

use std::cmp::Reverse;
use std::fmt::{self, Display};

use compact_str::CompactString;
use indicatif::HumanCount;
use velodrome_dataflows::{ClassId, RacerId};

use super::class_summary::ClassSummary;
use super::leaderboard::{LeaderboardChanges, RankMove, RankShift};
use super::podium::{PodiumChange, RankedRacer};
use super::summary::Summary;

/// Maximum number of lines in each list.
const SHOWN: usize = 10;

/// Maximum number of characters shown of a name. Events may have names of a megabyte.
const NAME_CHARS: usize = 40;

/// Displays the podiums, racers and moves of a summary, most important first.
pub(super) struct Highlights<'a>(pub(super) &'a Summary);

impl Display for Highlights<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.0.total.counts;
        let count = |n| HumanCount(n).to_string();

        let mut podiums = self.of_classes(|class| &class.podium_changes);
        podiums.sort_by_key(|(_, race)| !race.winner_changed);
        let (changed, winners) = (count(counts.podiums_changed), count(counts.winners_changed));
        let title =
            format!("races whose podium changes: {changed}, whose winner changes: {winners}");
        list(f, &title, counts.podiums_changed, &podiums, write_podium)?;

        let mut left = self.of_classes(|class| &class.leaderboard_changes.left);
        left.sort_by_key(|(_, racer)| racer.rank);
        let title = format!("racers who leave a leaderboard: {}", count(counts.leaderboard_left));
        list(f, &title, counts.leaderboard_left, &left, write_racer)?;

        let mut entered = self.of_classes(|class| &class.leaderboard_changes.entered);
        entered.sort_by_key(|(_, racer)| racer.rank);
        let title =
            format!("racers who enter a leaderboard: {}", count(counts.leaderboard_entered));
        list(f, &title, counts.leaderboard_entered, &entered, write_racer)?;

        let mut moves = self.of_classes(|class| &class.leaderboard_changes.moves);
        moves.sort_by_key(|(_, moved)| Reverse(moved.old_rank.abs_diff(moved.new_rank)));
        moves.truncate(SHOWN);
        let moved = count(self.sum(|leaderboard| leaderboard.moved));
        let title = format!("racers who move on a leaderboard: {moved}, the largest moves:");
        list(f, &title, 0, &moves, write_move)?;

        let mut shifts = self.of_classes(|class| &class.leaderboard_changes.shifts);
        shifts.sort_by_key(|(_, shift)| Reverse(shift.racers));
        shifts.truncate(SHOWN);
        let shifted = count(self.sum(|leaderboard| leaderboard.shifted));
        let title = format!("racers whose rank changes only because others change: {shifted}");
        list(f, &title, 0, &shifts, write_shift)
    }
}

impl<'a> Highlights<'a> {
    /// The sum of a count over all classes.
    fn sum(&self, count: impl Fn(&LeaderboardChanges) -> u64) -> u64 {
        self.0.classes.values().map(|class| count(&class.leaderboard_changes)).sum()
    }

    /// The changes of all classes in one list, each with its class.
    fn of_classes<T>(
        &self,
        of_class: impl Fn(&'a ClassSummary) -> &'a Vec<T>,
    ) -> Vec<(ClassId, &'a T)> {
        let classes = self.0.classes.iter();
        classes
            .flat_map(|(class, summary)| of_class(summary).iter().map(|item| (*class, item)))
            .collect()
    }
}

/// Writes the first of `items` under a title, and how many of all `total` are not shown. Writes nothing
/// if there are none.
fn list<T>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    total: u64,
    items: &[(ClassId, &T)],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "\n{title}")?;
    for (class, item) in items.iter().take(SHOWN) {
        write!(f, "\n  class {class}")?;
        write(f, item)?;
    }
    if total > SHOWN as u64 {
        let more = HumanCount(total - SHOWN as u64);
        write!(f, "\n  and {more} more; summary.json lists up to 1,000 of each class")?;
    }
    writeln!(f)
}

fn write_podium(f: &mut fmt::Formatter<'_>, race: &PodiumChange) -> fmt::Result {
    write!(f, " race {}", race.race_id)?;
    let not_listed = [race.not_listed.old, race.not_listed.new];
    for ((side, racers), more) in
        [("old", &race.old), ("new", &race.new)].into_iter().zip(not_listed)
    {
        write!(f, "\n    {side}  ")?;
        if racers.is_empty() {
            write!(f, "none")?;
        }
        for (at, racer) in racers.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let RankedRacer { rank, racer_id, name, output } = racer;
            write!(f, "{comma}{rank} {} {:.2}", shown(name, *racer_id), output.0)?;
        }
        if more > 0 {
            write!(f, ", and {} more", HumanCount(more))?;
        }
    }
    Ok(())
}

fn write_racer(f: &mut fmt::Formatter<'_>, racer: &RankedRacer) -> fmt::Result {
    let RankedRacer { rank, racer_id, name, output } = racer;
    write!(f, " rank {rank}: {}, output {:.2}", shown(name, *racer_id), output.0)
}

fn write_move(f: &mut fmt::Formatter<'_>, moved: &RankMove) -> fmt::Result {
    let RankMove { racer_id, name, tied, old_rank, new_rank, old_output, new_output } = moved;
    write!(f, " {}", shown(name, *racer_id))?;
    if *tied > 0 {
        write!(f, " and {} more who tie", HumanCount(*tied))?;
    }
    write!(f, ": rank {old_rank} to {new_rank}, output {:.2} to {:.2}", old_output.0, new_output.0)
}

fn write_shift(f: &mut fmt::Formatter<'_>, shift: &RankShift) -> fmt::Result {
    let RankShift { ranks, racers, first_old_rank, last_old_rank } = shift;
    let direction = if *ranks < 0 { "up" } else { "down" };
    let distance = ranks.unsigned_abs();
    let (racers, plural) = (HumanCount(*racers), if distance == 1 { "" } else { "s" });
    write!(
        f,
        ": {racers} of ranks {first_old_rank} to {last_old_rank} move {direction} {distance} rank{plural}"
    )
}

/// A racer as text: the start of the name, if there is one, without characters that a terminal would not
/// show as such.
fn shown(name: &Option<CompactString>, racer: RacerId) -> String {
    let name = name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return format!("racer {racer}");
    }
    let mut text = String::new();
    for letter in name.chars().take(NAME_CHARS) {
        match letter {
            '\'' | '"' => text.push(letter),
            _ => text.extend(letter.escape_debug()),
        }
    }
    let rest = if name.chars().nth(NAME_CHARS).is_some() { "…" } else { "" };
    format!("{text}{rest} (racer {racer})")
}
