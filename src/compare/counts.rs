//! What is counted of the changes as they come, class by class.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use velodrome_dataflows::{Board, ClassId, Output, RacerId, RowDifference};

/// How many moves are kept of a class, and told of all classes.
const MOVES: usize = 10;

/// Ranks that stand on the podium.
const PODIUM: u32 = 3;

/// What changes in one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassCounts {
    /// Records with another output, or on one side only.
    pub outputs_changed: u64,
    /// Rows of boards with another rank, or on one side only.
    pub ranks_changed: u64,
    /// Boards with a changed row.
    pub boards_changed: u64,
    /// Rows of the leaderboard that changed.
    pub leaderboard_changed: u64,
    /// Rides whose result or rank changed.
    pub rides_changed: u64,
    /// Races with others on the ranks 1 to 3 by final output, or in another order.
    pub podiums_changed: u64,
    /// Races that somebody else has won, or won alone.
    pub winners_changed: u64,
    /// The ten racers with the largest moves on a board, each with their largest; racers ascending where they
    /// moved as far.
    pub moves: Vec<Move>,
}

/// How a racer moved on a board.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// The racer.
    pub racer_id: RacerId,
    /// The class of the board.
    pub class_id: ClassId,
    /// The second of the board; the first, where they moved as far on several.
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

impl Move {
    /// By how many ranks.
    fn distance(&self) -> u32 {
        self.old_rank.abs_diff(self.new_rank)
    }
}

impl ClassCounts {
    /// Takes what another worker counted, of other boards or of another class.
    pub fn add(&mut self, other: Self) {
        self.outputs_changed += other.outputs_changed;
        self.ranks_changed += other.ranks_changed;
        self.boards_changed += other.boards_changed;
        self.leaderboard_changed += other.leaderboard_changed;
        self.rides_changed += other.rides_changed;
        self.podiums_changed += other.podiums_changed;
        self.winners_changed += other.winners_changed;
        // Of the ten of all boards, each is among the ten of the worker where that move was.
        self.moves = farthest(self.moves.drain(..).chain(other.moves));
    }
}

/// What one worker counts of all classes.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    classes: BTreeMap<ClassId, ClassCounts>,
    /// The board of the last change, and whether its podium and its winner are counted.
    last: Option<(Board, bool, bool)>,
    /// The largest move of each racer of the class that is being told.
    largest: HashMap<RacerId, Move>,
}

impl Counts {
    /// Takes the next change: they come class by class, and board by board.
    pub fn take(&mut self, difference: &RowDifference) {
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
                    let moved = Move {
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

    /// What was counted, by class; classes without a change are not there.
    pub fn into_classes(mut self) -> BTreeMap<ClassId, ClassCounts> {
        self.settle();
        self.classes
    }

    /// Keeps the largest moves of the class that was told.
    fn settle(&mut self) {
        let Some(counts) = self.last.and_then(|(last, ..)| self.classes.get_mut(&class(&last)))
        else {
            return;
        };
        counts.moves = farthest(self.largest.drain().map(|(_, moved)| moved));
    }
}

/// The farthest of all moves, one of a racer in a class.
fn farthest(moves: impl Iterator<Item = Move>) -> Vec<Move> {
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
