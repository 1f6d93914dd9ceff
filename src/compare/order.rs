//! Which racers of a leaderboard move, and which are only shifted by the others.

use std::collections::BTreeSet;

use velodrome_dataflows::{Output, RacerId};

/// A racer who is on a leaderboard under both sets of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) old_rank: u32,
    pub(super) new_rank: u32,
    pub(super) racer: RacerId,
    pub(super) old_output: Output,
    pub(super) new_output: Output,
}

impl Place {
    fn is_rescored(&self) -> bool {
        self.old_output != self.new_output
    }

    /// The new rank minus the old rank. It is negative for a move up.
    pub(super) fn distance(&self) -> i64 {
        i64::from(self.new_rank) - i64::from(self.old_rank)
    }
}

/// Splits `places`, which are ascending, into those that move and those that keep their order, such that
/// as few as possible move. A place whose output is the same never moves.
///
/// The places that keep their order are a longest subsequence of new ranks that do not decrease.
pub(super) fn split_moved(places: &[Place]) -> (Vec<Place>, Vec<Place>) {
    // For each length, the best new rank that a subsequence can end with, and the index of that place.
    let mut ends: Vec<(u32, usize)> = Vec::new();
    // The place before each place, in the subsequence that ends with it.
    let mut before: Vec<Option<usize>> = Vec::new();
    // The length of the subsequence up to the last place whose output is the same.
    let mut fixed = 0;
    for (index, place) in places.iter().enumerate() {
        let length = ends.partition_point(|(rank, _)| *rank <= place.new_rank);
        before.push(length.checked_sub(1).and_then(|last| ends.get(last)).map(|(_, at)| *at));
        if !place.is_rescored() {
            // All longer subsequences end with a worse rank, so they cannot include this place.
            ends.truncate(length);
            fixed = length + 1;
        } else if length < fixed {
            continue;
        }
        match ends.get_mut(length) {
            Some(end) => *end = (place.new_rank, index),
            None => ends.push((place.new_rank, index)),
        }
    }
    let mut kept = BTreeSet::new();
    let mut next = ends.last().map(|(_, index)| *index);
    while let Some(index) = next {
        kept.insert(index);
        next = before.get(index).copied().flatten();
    }
    let in_order = places.iter().enumerate();
    let (moved, kept): (Vec<_>, Vec<_>) = in_order.partition(|(index, _)| !kept.contains(index));
    let places = |of: Vec<(usize, &Place)>| of.into_iter().map(|(_, place)| *place).collect();
    (places(moved), places(kept))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rank of each output.
    fn ranks(outputs: &[u8]) -> Vec<u32> {
        let better = |output| outputs.iter().filter(|other| *other > output).count() as u32;
        outputs.iter().map(|output| better(output) + 1).collect()
    }

    /// A leaderboard of racers with these outputs under the old and the new rules.
    fn places(outputs: &[(u8, u8)]) -> Vec<Place> {
        let (old, new): (Vec<_>, Vec<_>) = outputs.iter().copied().unzip();
        let ranks = ranks(&old).into_iter().zip(ranks(&new));
        let racers = (0..).zip(ranks).zip(outputs);
        let place = |((racer, (old_rank, new_rank)), (old, new)): (_, &(u8, u8))| Place {
            old_rank,
            new_rank,
            racer,
            old_output: Output(f64::from(*old)),
            new_output: Output(f64::from(*new)),
        };
        let mut places: Vec<_> = racers.map(place).collect();
        places.sort();
        places
    }

    fn moved(outputs: &[(u8, u8)]) -> Vec<RacerId> {
        split_moved(&places(outputs)).0.iter().map(|place| place.racer).collect()
    }

    #[test]
    fn one_racer_who_falls_behind_is_the_only_one_who_moves() {
        assert_eq!(moved(&[(9, 1), (8, 8), (7, 7), (6, 6)]), [0]);
        // The same if the outputs of all change.
        assert_eq!(moved(&[(90, 1), (80, 8), (70, 7), (60, 6)]), [0]);
        assert_eq!(moved(&[(9, 9), (8, 8), (7, 7), (6, 10)]), [3]);
        // Racers who tie move together.
        assert_eq!(moved(&[(9, 1), (9, 1), (8, 8), (7, 7), (6, 6)]), [0, 1]);
        assert_eq!(moved(&[(9, 5), (8, 5), (7, 5)]), [] as [RacerId; 0]);
    }

    proptest! {
        #[test]
        fn as_few_racers_move_as_possible(
            outputs in prop::collection::vec(
                prop_oneof![(0..12u8).prop_map(|same| (same, same)), (0..12u8, 0..12u8)], 0..14,
            ),
        ) {
            let places = places(&outputs);
            let (moved, kept) = split_moved(&places);
            prop_assert_eq!(moved.len() + kept.len(), places.len());
            prop_assert!(moved.iter().all(Place::is_rescored));
            prop_assert!(kept.is_sorted_by_key(|place| place.new_rank), "{:?}", kept);
            // No other selection of rescored places is longer.
            let rescored: Vec<_> = places.iter().filter(|place| place.is_rescored()).collect();
            for selected in 0u32..1 << rescored.len() {
                let is_selected = |place: &&Place| {
                    let at = rescored.iter().position(|other| other.racer == place.racer);
                    at.is_none_or(|at| selected >> at & 1 == 1)
                };
                let chosen: Vec<_> = places.iter().filter(is_selected).collect();
                let is_in_order = chosen.is_sorted_by_key(|place| place.new_rank);
                prop_assert!(!is_in_order || chosen.len() <= kept.len(), "{:?}", chosen);
            }
        }
    }
}
