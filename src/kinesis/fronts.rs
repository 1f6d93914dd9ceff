//! How far the shards that are read have come, against each other. It knows no stream and no clock.
//!
//! All shards share one event clock, the greatest arrival. Where one of them is read far ahead of another,
//! rides would be over before their samples come. So none goes further ahead of the slowest than a distance.

use std::collections::BTreeMap;

/// The shards that are read and not finished.
#[derive(Debug)]
pub(super) struct Fronts {
    shards: BTreeMap<String, Front>,
    /// How far a shard may be ahead of the slowest, in ms.
    pub(super) distance_ms: u64,
}

/// How far a shard has come.
#[derive(Debug, Default)]
struct Front {
    /// Nothing comes of it that arrived before; 0 where that is not known.
    next_ms: u64,
    /// When it was last found to be read to its end, where it is.
    end_ms: Option<u64>,
}

impl Fronts {
    pub(super) fn new(distance_ms: u64) -> Self {
        Self { shards: BTreeMap::new(), distance_ms }
    }

    /// A shard is read from now on; it holds up all others until it is known where it is.
    pub(super) fn join(&mut self, shard: &str) {
        self.shards.entry(shard.to_owned()).or_default();
    }

    /// A shard is not read any more.
    pub(super) fn leave(&mut self, shard: &str) {
        self.shards.remove(shard);
    }

    /// The shard's next record arrived at `next_ms`.
    pub(super) fn reach(&mut self, shard: &str, next_ms: u64) {
        if let Some(front) = self.shards.get_mut(shard) {
            front.next_ms = front.next_ms.max(next_ms);
            front.end_ms = None;
        }
    }

    /// The shard has no record of before `now_ms` that is not taken, nor of before what was found in others.
    pub(super) fn end(&mut self, shard: &str, now_ms: u64) {
        // Where this machine's clock is behind the stream's, that says more than the clock.
        let newest_ms = self.shards.values().map(|front| front.next_ms).max();
        self.reach(shard, newest_ms.unwrap_or(0).max(now_ms));
        if let Some(front) = self.shards.get_mut(shard) {
            front.end_ms = Some(now_ms);
        }
    }

    /// Up to which arrival records may be taken.
    pub(super) fn limit(&self) -> u64 {
        let slowest = self.shards.values().map(|front| front.next_ms).min();
        slowest.map_or(u64::MAX, |slowest| slowest.saturating_add(self.distance_ms))
    }

    /// The time up to which all is taken, where every shard is read to its end.
    pub(super) fn present(&self) -> Option<u64> {
        let ends = self.shards.values().map(|front| front.end_ms);
        ends.min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shard_goes_further_ahead_of_the_slowest_than_the_distance() {
        let mut fronts = Fronts::new(30);
        assert_eq!(fronts.limit(), u64::MAX);
        fronts.join("a");
        fronts.join("b");
        fronts.reach("a", 1_000);
        assert_eq!(fronts.limit(), 30, "nobody knows where b is");
        fronts.reach("b", 1_500);
        assert_eq!(fronts.limit(), 1_030);
        fronts.reach("a", 1_900);
        assert_eq!(fronts.limit(), 1_530);
        fronts.join("b");
        fronts.reach("b", 1_400);
        assert_eq!(fronts.limit(), 1_530, "it went back");
        fronts.leave("b");
        assert_eq!(fronts.limit(), 1_930);
    }

    #[test]
    fn the_present_is_that_of_the_last_shard_and_only_where_all_are_at_their_ends() {
        let mut fronts = Fronts::new(30);
        assert_eq!(fronts.present(), None);
        fronts.join("a");
        fronts.join("b");
        fronts.end("a", 1_000);
        assert_eq!(fronts.present(), None);
        fronts.end("b", 900);
        assert_eq!(fronts.present(), Some(900));
        assert_eq!(fronts.limit(), 1_030);
        fronts.reach("a", 1_100);
        assert_eq!(fronts.present(), None);
    }

    #[test]
    fn a_shard_that_is_read_to_its_end_holds_nobody_up_by_a_clock_that_is_behind() {
        let mut fronts = Fronts::new(30);
        fronts.join("idle");
        fronts.join("busy");
        fronts.reach("busy", 9_000);
        fronts.end("idle", 1_000);
        assert_eq!(fronts.limit(), 9_030);
        fronts.end("busy", 1_000);
        assert_eq!(fronts.present(), Some(1_000));
    }
}
