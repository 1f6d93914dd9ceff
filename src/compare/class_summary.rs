//! The part of a summary that is about one class.

use serde::Serialize;
use velodrome_dataflows::ClassTotals;

use super::class_changes::ClassChanges;
use super::counts::ClassCounts;
use super::leaderboard::LeaderboardChanges;
use super::old_new::OldNew;
use super::podium::PodiumChange;

/// The totals of a class, or of all classes, under both sets of rules, and the counts of the changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassNumbers {
    /// Number of records: distinct (second, racer).
    pub records: OldNew<u64>,
    /// Number of seconds with a record under either set of rules.
    pub boards: u64,
    /// Number of racers with a record.
    pub racers: OldNew<u64>,
    /// Number of racers with a record under the old rules only.
    pub racers_gone: u64,
    /// Number of racers with a record under the new rules only.
    pub racers_new: u64,
    /// Number of racers on the leaderboard.
    pub leaderboard: OldNew<u64>,
    /// Number of rides with a result.
    pub rides: OldNew<u64>,
    /// The counts of the changes.
    #[serde(flatten)]
    pub counts: ClassCounts,
}

impl ClassNumbers {
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

    /// Adds the numbers of another class.
    pub(super) fn add(&mut self, other: &Self) {
        let add = |ours: &mut OldNew<u64>, theirs: OldNew<u64>| {
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
        self.counts.add(&other.counts);
    }

    /// Whether nothing changes.
    pub(super) fn is_unchanged(&self) -> bool {
        let counts = &self.counts;
        // A changed output or rank always changes its board too.
        counts.boards_changed + counts.leaderboard_changed + counts.rides_changed == 0
    }
}

/// The numbers of a class, and its most important changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassSummary {
    /// The totals and the counts of the changes.
    #[serde(flatten)]
    pub numbers: ClassNumbers,
    /// The races where the podium changed: those with another winner first, then by race. At most 1,000.
    pub podium_changes: Vec<PodiumChange>,
    /// The changes of the leaderboard.
    pub leaderboard_changes: LeaderboardChanges,
}

impl ClassSummary {
    pub(super) fn new(totals: ClassTotals, changes: ClassChanges) -> Self {
        let ClassChanges { counts, podiums, leaderboard } = changes;
        Self {
            numbers: ClassNumbers::new(totals, counts),
            podium_changes: podiums,
            leaderboard_changes: leaderboard,
        }
    }
}
