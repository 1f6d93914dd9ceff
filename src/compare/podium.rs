//! The podiums of races before and after.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use velodrome_dataflows::{BoardDifferences, Output, PODIUM, RaceId, RacerId, RankedRow};

use super::counts::changes_rank_up_to;
use super::old_new::OldNew;

/// Maximum number of racers listed on a podium. There are more than three only if racers tie.
const LISTED: usize = 10;

/// A racer on a board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankedRacer {
    /// The rank, from 1. Racers with equal outputs share the better rank.
    pub rank: u32,
    /// The racer.
    pub racer_id: RacerId,
    /// The racer's name. Known once all workers' changes are gathered.
    pub name: Option<CompactString>,
    /// The output that the racer is ranked by.
    pub output: Output,
}

impl RankedRacer {
    /// The racer of a row, if the row has a rank.
    pub(super) fn new(racer_id: RacerId, (row, rank): &RankedRow) -> Option<Self> {
        Some(Self { rank: (*rank)?, racer_id, name: None, output: row.output()? })
    }

    /// The racer, and the place of the racer's name.
    pub(super) fn name_mut(&mut self) -> (RacerId, &mut Option<CompactString>) {
        (self.racer_id, &mut self.name)
    }
}

/// A race where ranks 1 to 3 by final output changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodiumChange {
    /// The race.
    pub race_id: RaceId,
    /// Whether rank 1 changed.
    pub winner_changed: bool,
    /// Ranks 1 to 3 under the old rules.
    pub old: Vec<RankedRacer>,
    /// Ranks 1 to 3 under the new rules.
    pub new: Vec<RankedRacer>,
    /// Number of racers who share these ranks and are not listed.
    pub not_listed: OldNew<u64>,
}

impl PodiumChange {
    /// The change of the podium of `race_id`, whose rows differ as in `board`. `None` if the podium is
    /// the same.
    pub(super) fn new(race_id: RaceId, board: BoardDifferences<'_>) -> Option<Self> {
        if !changes_rank_up_to(PODIUM, board.rows) {
            return None;
        }
        let differing =
            board.rows.iter().map(|row| (row.racer, [row.old.as_ref(), row.new.as_ref()]));
        let unchanged = board.unchanged.iter().map(|(racer, row)| (*racer, [Some(row); 2]));
        let rows: Vec<_> = differing.chain(unchanged).collect();
        let [(old, old_more), (new, new_more)] = [0, 1].map(|side| {
            podium(
                rows.iter()
                    .filter_map(|(racer, sides)| RankedRacer::new(*racer, (*sides.get(side)?)?)),
            )
        });
        Some(Self {
            race_id,
            winner_changed: changes_rank_up_to(1, board.rows),
            old,
            new,
            not_listed: [old_more, new_more].into(),
        })
    }
}

/// The racers of ranks 1 to 3, and the number of those that are not listed.
fn podium(racers: impl Iterator<Item = RankedRacer>) -> (Vec<RankedRacer>, u64) {
    let mut podium: Vec<_> = racers.filter(|racer| racer.rank <= PODIUM).collect();
    podium.sort_unstable_by_key(|racer| (racer.rank, racer.racer_id));
    let not_listed = podium.len().saturating_sub(LISTED) as u64;
    podium.truncate(LISTED);
    (podium, not_listed)
}
