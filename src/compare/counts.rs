//! Counts the changes of each class.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use velodrome_dataflows::{Board, ClassId, Output, RacerId, RowDifference};

/// Maximum number of rank moves listed for a class, and for all classes together.
const MOVES: usize = 10;

/// The last rank on the podium.
const PODIUM: u32 = 3;

/// Counts of the changes in one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassCounts {
    /// Records whose output differs, or that exist under only one of the two sets of rules.
    pub outputs_changed: u64,
    /// Rows of boards whose rank differs, or that exist under only one of the two sets of rules.
    pub ranks_changed: u64,
    /// Boards with a changed row.
    pub boards_changed: u64,
    /// Changed rows of the leaderboard.
    pub leaderboard_changed: u64,
    /// Rides whose result or rank changed.
    pub rides_changed: u64,
    /// Races where ranks 1 to 3 by final output changed.
    pub podiums_changed: u64,
    /// Races where rank 1 by final output changed: a different winner, or a different number of
    /// winners.
    pub winners_changed: u64,
    /// The ten largest moves on boards, at most one for each racer in a class, largest first. Equal
    /// moves are in order of racers.
    pub moves: Vec<RankMove>,
}

/// A change of a racer's rank on a board.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankMove {
    /// The racer.
    pub racer_id: RacerId,
    /// The class of the board.
    pub class_id: ClassId,
    /// The second of the board. The first one, if the racer moved equally far on several boards.
    pub second: u16,
    /// Rank under the old rules.
    pub old_rank: u32,
    /// Rank under the new rules.
    pub new_rank: u32,
    /// Output under the old rules.
    pub old_output: Output,
    /// Output under the new rules.
    pub new_output: Output,
}

impl RankMove {
    /// The difference between the ranks.
    fn distance(&self) -> u32 {
        self.old_rank.abs_diff(self.new_rank)
    }
}

impl ClassCounts {
    /// Adds the counts of another worker, of other boards, or of another class.
    pub fn add(&mut self, other: Self) {
        self.outputs_changed += other.outputs_changed;
        self.ranks_changed += other.ranks_changed;
        self.boards_changed += other.boards_changed;
        self.leaderboard_changed += other.leaderboard_changed;
        self.rides_changed += other.rides_changed;
        self.podiums_changed += other.podiums_changed;
        self.winners_changed += other.winners_changed;
        // Each of the ten largest moves overall is among the ten largest of the worker that counted it.
        self.moves = farthest(self.moves.drain(..).chain(other.moves));
    }
}

/// The counts of one worker, by class.
#[derive(Clone, Debug, Default)]
pub struct ChangeCounter {
    classes: BTreeMap<ClassId, ClassCounts>,
    /// The board of the last change, and whether its podium and its winner are already counted as
    /// changed.
    last: Option<(Board, bool, bool)>,
    /// The largest move of each racer of the current class.
    largest: HashMap<RacerId, RankMove>,
}

impl ChangeCounter {
    /// Counts the next change. Changes must be grouped by class, and within a class by board.
    pub fn add(&mut self, difference: &RowDifference) {
        let RowDifference { board, racer, old, new } = difference;
        let class = class(board);
        if self.last.is_some_and(|(last, ..)| self::class(&last) != class) {
            self.settle();
        }
        let is_new = self.last.is_none_or(|(last, ..)| last != *board);
        let (_, mut podium, mut winner) =
            self.last.filter(|_| !is_new).unwrap_or((*board, false, false));
        let counts = self.classes.entry(class).or_default();
        let rank = |side: &Option<(_, Option<u32>)>| side.as_ref().and_then(|(_, rank)| *rank);
        let output = |side: &Option<(velodrome_dataflows::Row, _)>| {
            side.as_ref().and_then(|(row, _)| row.output())
        };
        let (ranks, outputs) = ([rank(old), rank(new)], [output(old), output(new)]);
        let [is_reranked, is_rescored] = [ranks[0] != ranks[1], outputs[0] != outputs[1]];
        match *board {
            Board::Leaderboard(_) => counts.leaderboard_changed += 1,
            Board::Race(..) => {
                counts.rides_changed += 1;
                let reaches = |least| is_reranked && ranks.iter().flatten().any(|r| *r <= least);
                counts.podiums_changed += u64::from(!podium && reaches(PODIUM));
                counts.winners_changed += u64::from(!winner && reaches(1));
                (podium, winner) = (podium || reaches(PODIUM), winner || reaches(1));
            }
            Board::Second(_, second) => {
                counts.boards_changed += u64::from(is_new);
                counts.outputs_changed += u64::from(is_rescored);
                counts.ranks_changed += u64::from(is_reranked);
                if let ([Some(old_rank), Some(new_rank)], [Some(old_output), Some(new_output)]) =
                    (ranks, outputs)
                    && is_reranked
                {
                    let (racer_id, class_id) = (*racer, class);
                    let moved = RankMove {
                        racer_id,
                        class_id,
                        second,
                        old_rank,
                        new_rank,
                        old_output,
                        new_output,
                    };
                    let largest = self.largest.entry(*racer).or_insert(moved);
                    if moved.distance() > largest.distance() {
                        *largest = moved;
                    }
                }
            }
        }
        self.last = Some((*board, podium, winner));
    }

    /// The counts by class, without the classes that have no changes.
    pub fn into_classes(mut self) -> BTreeMap<ClassId, ClassCounts> {
        self.settle();
        self.classes
    }

    /// Adds the largest moves of the current class to its counts.
    fn settle(&mut self) {
        let Some(counts) = self.last.and_then(|(last, ..)| self.classes.get_mut(&class(&last)))
        else {
            return;
        };
        counts.moves = farthest(self.largest.drain().map(|(_, moved)| moved));
    }
}

/// The largest moves, at most one for each racer in a class.
fn farthest(moves: impl Iterator<Item = RankMove>) -> Vec<RankMove> {
    let mut moves: Vec<_> = moves.collect();
    moves.sort_unstable_by_key(|m| (Reverse(m.distance()), m.racer_id, m.class_id, m.second));
    let mut seen = HashSet::new();
    moves.retain(|m| seen.insert((m.racer_id, m.class_id)));
    moves.truncate(MOVES);
    moves
}

fn class(board: &Board) -> ClassId {
    match *board {
        Board::Leaderboard(class) | Board::Race(class, _) | Board::Second(class, _) => class,
    }
}
