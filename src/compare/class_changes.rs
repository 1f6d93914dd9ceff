//! The changes of a class that a summary counts and lists.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use velodrome_dataflows::{Board, BoardDifferences, ClassId, RacerId};

use super::counts::ClassCounts;
use super::leaderboard::LeaderboardChanges;
use super::podium::{PodiumChange, RankedRacer};

/// Maximum number of races listed for a class, so that a summary has a bounded size.
const RACES_MAX: usize = 1_000;

/// The changes of one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassChanges {
    /// The counts of all changes.
    pub counts: ClassCounts,
    /// The races where the podium changed: those with another winner first, then by race. At most 1,000.
    pub podiums: Vec<PodiumChange>,
    /// The changes of the leaderboard.
    pub leaderboard: LeaderboardChanges,
}

impl ClassChanges {
    /// Adds the changes of a board.
    fn add_board(&mut self, board: BoardDifferences<'_>) {
        self.counts.count(board);
        match board.board {
            Board::Leaderboard(_) => self.leaderboard = LeaderboardChanges::new(board),
            Board::Race(_, race) => {
                self.podiums.extend(PodiumChange::new(race, board));
                if self.podiums.len() >= 2 * RACES_MAX {
                    self.limit_podiums();
                }
            }
            Board::Second(..) => {}
        }
    }

    /// Adds the changes of other boards of the class.
    pub fn add(&mut self, other: Self) {
        self.counts.add(&other.counts);
        self.podiums.extend(other.podiums);
        self.limit_podiums();
        if self.leaderboard == LeaderboardChanges::default() {
            self.leaderboard = other.leaderboard;
        }
    }

    /// All racers that are listed.
    pub fn racers(&mut self) -> BTreeSet<RacerId> {
        self.names_mut().map(|(racer, _)| racer).collect()
    }

    /// Sets the names of all racers that are listed to those that `name_of` returns.
    pub fn set_names(&mut self, name_of: impl Fn(RacerId) -> Option<CompactString>) {
        self.names_mut().for_each(|(racer, name)| *name = name_of(racer));
    }

    fn names_mut(&mut self) -> impl Iterator<Item = (RacerId, &mut Option<CompactString>)> {
        let podiums =
            self.podiums.iter_mut().flat_map(|race| race.old.iter_mut().chain(&mut race.new));
        podiums.map(RankedRacer::name_mut).chain(self.leaderboard.names_mut())
    }

    fn limit_podiums(&mut self) {
        self.podiums.sort_unstable_by_key(|race| (!race.winner_changed, race.race_id));
        self.podiums.truncate(RACES_MAX);
    }
}

/// Collects the changes of one worker, by class.
#[derive(Debug, Default)]
pub struct ChangeCollector(BTreeMap<ClassId, ClassChanges>);

impl ChangeCollector {
    /// Adds the changes of a board. Each board must be added once.
    pub fn add(&mut self, board: BoardDifferences<'_>) {
        let (Board::Leaderboard(class) | Board::Race(class, _) | Board::Second(class, _)) =
            board.board;
        self.0.entry(class).or_default().add_board(board);
    }

    /// The changes by class, without the classes that have none.
    pub fn into_classes(mut self) -> BTreeMap<ClassId, ClassChanges> {
        self.0.values_mut().for_each(ClassChanges::limit_podiums);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use velodrome_dataflows::{Output, Row, RowDifference};

    use super::*;

    /// Adds races whose first place goes to another racer, or whose third place does.
    fn add(collector: &mut ChangeCollector, races: impl Iterator<Item = u64>) {
        for race in races {
            let board = Board::Race(1, race);
            let rank = if race % 100 == 0 { 1 } else { 3 };
            let row = Some((Row::Best(Output(9.0), race), Some(rank)));
            let rows = [
                RowDifference { board, racer: 5, old: row.clone(), new: None },
                RowDifference { board, racer: 6, old: None, new: row },
            ];
            collector.add(BoardDifferences { board, rows: &rows, unchanged: &[] });
        }
    }

    #[test]
    fn lists_a_thousand_races_and_those_with_another_winner_first_on_any_number_of_workers() {
        let (mut one, mut two) =
            (ChangeCollector::default(), [(); 2].map(|()| ChangeCollector::default()));
        add(&mut one, 0..5_000);
        for (worker, collector) in two.iter_mut().enumerate() {
            add(collector, (0..5_000).filter(|race| race % 3 % 2 == worker as u64));
        }
        let mut changes = one.into_classes().remove(&1).unwrap();
        assert_eq!((changes.counts.podiums_changed, changes.counts.winners_changed), (5_000, 50));
        let races: Vec<_> = changes.podiums.iter().map(|race| race.race_id).collect();
        let others = (0..).filter(|race| race % 100 != 0);
        let expected: Vec<u64> = (0..5_000).step_by(100).chain(others).take(1_000).collect();
        assert_eq!(races, expected);
        let mut merged = ClassChanges::default();
        for collector in two {
            merged.add(collector.into_classes().remove(&1).unwrap());
        }
        assert_eq!(merged, changes);

        assert_eq!(changes.racers(), [5, 6].into());
        changes.set_names(|racer| (racer == 6).then(|| "Ada".into()));
        let podium = &changes.podiums[0];
        assert_eq!(
            (podium.old[0].name.as_deref(), podium.new[0].name.as_deref()),
            (None, Some("Ada"))
        );
    }

    #[test]
    fn lists_ten_racers_who_share_a_podium_and_counts_the_others() {
        let board = Board::Race(1, 7);
        let row = (Row::Best(Output(9.0), 7), Some(1));
        let unchanged: Vec<_> = (0..12).map(|racer| (racer, row.clone())).collect();
        let left = RowDifference { board, racer: 99, old: Some(row), new: None };
        let mut collector = ChangeCollector::default();
        collector.add(BoardDifferences { board, rows: &[left], unchanged: &unchanged });
        let changes = collector.into_classes().remove(&1).unwrap();
        let podium = &changes.podiums[0];
        assert_eq!((podium.old.len(), podium.new.len()), (10, 10));
        assert_eq!((podium.not_listed.old, podium.not_listed.new), (3, 2));
    }
}
