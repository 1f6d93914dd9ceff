//! What changes on a leaderboard: who leaves, who enters, and who moves.
//!
//! If one racer falls from rank 1 to 40, that racer *moves*, and 39 racers are *shifted* up by one. There
//! may be hundreds of shifted racers for each one who moves, so a summary only counts them, by distance.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use velodrome_dataflows::{BoardDifferences, Output, RacerId};

use super::order::{Place, split_moved};
use super::podium::RankedRacer;

/// Maximum number of racers listed who leave or enter a leaderboard, so that a summary has a bounded
/// size.
const RACERS_MAX: usize = 1_000;

/// Maximum number of moves, and of distances of shifts, listed for a class.
const LINES_MAX: usize = 10;

/// The changes of the leaderboard of one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderboardChanges {
    /// Racers who are on the leaderboard under the old rules only, by rank. At most 1,000.
    pub left: Vec<RankedRacer>,
    /// Racers who are on the leaderboard under the new rules only, by rank. At most 1,000.
    pub entered: Vec<RankedRacer>,
    /// Number of racers who move.
    pub moved: u64,
    /// The ten largest moves, largest first. Equal moves are in order of racers.
    pub moves: Vec<RankMove>,
    /// Number of racers whose rank changes only because others move, leave or enter.
    pub shifted: u64,
    /// The shifted racers by distance. At most ten distances, those of most racers first.
    pub shifts: Vec<RankShift>,
}

/// A racer who moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankMove {
    /// The racer; the least of several racers who tie under both sets of rules.
    pub racer_id: RacerId,
    /// The racer's name. Known once all workers' changes are gathered.
    pub name: Option<CompactString>,
    /// Number of further racers who tie with this one under both sets of rules.
    pub tied: u64,
    /// Rank under the old rules.
    pub old_rank: u32,
    /// Rank under the new rules.
    pub new_rank: u32,
    /// Output under the old rules.
    pub old_output: Output,
    /// Output under the new rules.
    pub new_output: Output,
}

/// Racers who are shifted by the same distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankShift {
    /// The new rank minus the old rank. A negative shift is up.
    pub ranks: i64,
    /// Number of racers.
    pub racers: u64,
    /// The best of their old ranks.
    pub first_old_rank: u32,
    /// The worst of their old ranks.
    pub last_old_rank: u32,
}

impl LeaderboardChanges {
    /// The changes of a leaderboard.
    pub(super) fn new(board: BoardDifferences<'_>) -> Self {
        let (mut left, mut entered, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let unchanged = board.unchanged.iter().map(|(racer, row)| (*racer, [Some(row); 2]));
        let differing =
            board.rows.iter().map(|row| (row.racer, [row.old.as_ref(), row.new.as_ref()]));
        for (racer, sides) in differing.chain(unchanged) {
            match sides.map(|side| RankedRacer::new(racer, side?)) {
                [Some(old), None] => left.push(old),
                [None, Some(new)] => entered.push(new),
                [Some(old), Some(new)] => places.push(Place {
                    old_rank: old.rank,
                    new_rank: new.rank,
                    racer,
                    old_output: old.output,
                    new_output: new.output,
                }),
                [None, None] => {}
            }
        }
        places.sort_unstable();
        let (mut moved, mut shifted) = split_moved(&places);
        for places in [&mut moved, &mut shifted] {
            places.retain(|place| place.distance() != 0);
        }
        Self {
            left: by_rank(left),
            entered: by_rank(entered),
            moved: moved.len() as u64,
            moves: moves(&moved),
            shifted: shifted.len() as u64,
            shifts: shifts(&shifted),
        }
    }

    /// All racers that are listed, and their names.
    pub(super) fn names_mut(
        &mut self,
    ) -> impl Iterator<Item = (RacerId, &mut Option<CompactString>)> {
        let racers = self.left.iter_mut().chain(&mut self.entered);
        let moved = self.moves.iter_mut().map(|moved| (moved.racer_id, &mut moved.name));
        racers.map(RankedRacer::name_mut).chain(moved)
    }
}

fn by_rank(mut racers: Vec<RankedRacer>) -> Vec<RankedRacer> {
    racers.sort_unstable_by_key(|racer| (racer.rank, racer.racer_id));
    racers.truncate(RACERS_MAX);
    racers
}

/// The largest of the moves, which are ascending. Racers who tie under both sets of rules are one move.
fn moves(moved: &[Place]) -> Vec<RankMove> {
    let ties = moved.chunk_by(|a, b| (a.old_rank, a.new_rank) == (b.old_rank, b.new_rank));
    let mut moves: Vec<_> = ties
        .filter_map(|racers| {
            let first = racers.first()?;
            Some(RankMove {
                racer_id: first.racer,
                name: None,
                tied: racers.len() as u64 - 1,
                old_rank: first.old_rank,
                new_rank: first.new_rank,
                old_output: first.old_output,
                new_output: first.new_output,
            })
        })
        .collect();
    moves.sort_by_key(|moved| (Reverse(moved.old_rank.abs_diff(moved.new_rank)), moved.racer_id));
    moves.truncate(LINES_MAX);
    moves
}

/// The shifts by distance.
fn shifts(shifted: &[Place]) -> Vec<RankShift> {
    let mut shifts: BTreeMap<i64, RankShift> = BTreeMap::new();
    for place in shifted {
        let (ranks, rank) = (place.distance(), place.old_rank);
        let shift = shifts.entry(ranks);
        let shift = shift.or_insert(RankShift {
            ranks,
            racers: 0,
            first_old_rank: rank,
            last_old_rank: rank,
        });
        shift.racers += 1;
        shift.first_old_rank = shift.first_old_rank.min(rank);
        shift.last_old_rank = shift.last_old_rank.max(rank);
    }
    let mut shifts: Vec<_> = shifts.into_values().collect();
    shifts.sort_by_key(|shift| Reverse(shift.racers));
    shifts.truncate(LINES_MAX);
    shifts
}
