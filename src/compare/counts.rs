//! The counts of the changes of a class.

use serde::{Deserialize, Serialize};
use velodrome_dataflows::{Board, BoardDifferences, PODIUM, RowDifference};

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
    /// Racers on the leaderboard under the old rules only.
    pub leaderboard_left: u64,
    /// Racers on the leaderboard under the new rules only.
    pub leaderboard_entered: u64,
    /// Rides whose result or rank changed.
    pub rides_changed: u64,
    /// Races where ranks 1 to 3 by final output changed.
    pub podiums_changed: u64,
    /// Races where rank 1 by final output changed: a different winner, or a different number of
    /// winners.
    pub winners_changed: u64,
}

impl ClassCounts {
    /// Adds the counts of another worker, of other boards, or of another class.
    pub fn add(&mut self, other: &Self) {
        self.outputs_changed += other.outputs_changed;
        self.ranks_changed += other.ranks_changed;
        self.boards_changed += other.boards_changed;
        self.leaderboard_changed += other.leaderboard_changed;
        self.leaderboard_left += other.leaderboard_left;
        self.leaderboard_entered += other.leaderboard_entered;
        self.rides_changed += other.rides_changed;
        self.podiums_changed += other.podiums_changed;
        self.winners_changed += other.winners_changed;
    }

    /// Adds the changes of a board.
    pub(super) fn count(&mut self, board: BoardDifferences<'_>) {
        let rows = board.rows.len() as u64;
        let count = |is_counted: fn(&RowDifference) -> bool| {
            board.rows.iter().filter(|row| is_counted(row)).count() as u64
        };
        match board.board {
            Board::Leaderboard(_) => {
                self.leaderboard_changed += rows;
                self.leaderboard_left += count(|row| row.new.is_none());
                self.leaderboard_entered += count(|row| row.old.is_none());
            }
            Board::Race(..) => {
                self.rides_changed += rows;
                self.podiums_changed += u64::from(changes_rank_up_to(PODIUM, board.rows));
                self.winners_changed += u64::from(changes_rank_up_to(1, board.rows));
            }
            Board::Second(..) => {
                self.boards_changed += 1;
                self.outputs_changed += count(is_rescored);
                self.ranks_changed += count(is_reranked);
            }
        }
    }
}

/// Whether the rank differs. A row that exists on one side only has a rank on that side only.
fn is_reranked(row: &RowDifference) -> bool {
    let [old, new] = row.ranks();
    old != new
}

/// Whether the output that the row is ranked by differs.
pub(super) fn is_rescored(row: &RowDifference) -> bool {
    let [old, new] = row.outputs();
    old != new
}

/// Whether a rank up to `last` is taken by another racer.
pub(super) fn changes_rank_up_to(last: u32, rows: &[RowDifference]) -> bool {
    let reaches = |row: &RowDifference| row.ranks().into_iter().flatten().any(|rank| rank <= last);
    rows.iter().any(|row| is_reranked(row) && reaches(row))
}
