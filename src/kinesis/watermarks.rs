//! Watermarks of the shards that are being read, and the limit that keeps shards close together. No I/O.
//!
//! All shards share one event clock, which follows the greatest arrival. If one shard were read far
//! ahead of another, rides would close before the other shard's samples arrive. So no shard gets further
//! ahead of the slowest one than the allowed drift.

use std::collections::BTreeMap;

use super::shard_report::ShardProgress;

/// The watermarks of the shards that are read and not finished.
#[derive(Debug)]
pub(super) struct Watermarks {
    shards: BTreeMap<String, Watermark>,
    /// How far a shard may be ahead of the slowest one, in ms.
    pub(super) max_drift_ms: u64,
}

/// The progress of one shard, in arrival times.
#[derive(Debug, Default)]
struct Watermark {
    /// No record that arrived before this time will follow; 0 while that is unknown.
    next_ms: u64,
    /// If the shard is read to its end: the time of the most recent poll.
    end_ms: Option<u64>,
}

impl Watermarks {
    pub(super) fn new(max_drift_ms: u64) -> Self {
        Self { shards: BTreeMap::new(), max_drift_ms }
    }

    /// Adds a shard. No other shard can advance beyond the drift until the first record of this one is
    /// known.
    pub(super) fn add_shard(&mut self, shard: &str) {
        self.shards.entry(shard.to_owned()).or_default();
    }

    /// Removes the shards that are no longer read.
    pub(super) fn retain(&mut self, is_read: impl Fn(&str) -> bool) {
        self.shards.retain(|shard, _| is_read(shard));
    }

    /// Records the progress of a shard that another node reads. It is an earlier one than the node's own, and still
    /// true: no older records follow.
    pub(super) fn report(&mut self, shard: &str, progress: ShardProgress) {
        let watermark = self.shards.entry(shard.to_owned()).or_default();
        watermark.next_ms = watermark.next_ms.max(progress.next_ms);
        watermark.end_ms = progress.end_ms;
    }

    /// The shards, each with its progress.
    pub(super) fn progress(&self) -> impl Iterator<Item = (&String, ShardProgress)> {
        let progress = |Watermark { next_ms, end_ms }: &Watermark| ShardProgress {
            next_ms: *next_ms,
            end_ms: *end_ms,
            is_finished: false,
        };
        self.shards.iter().map(move |(shard, watermark)| (shard, progress(watermark)))
    }

    /// Records that the shard's next record arrived at `next_ms`.
    pub(super) fn advance(&mut self, shard: &str, next_ms: u64) {
        if let Some(watermark) = self.shards.get_mut(shard) {
            watermark.next_ms = watermark.next_ms.max(next_ms);
            watermark.end_ms = None;
        }
    }

    /// Records that the shard is read to its end, as of a poll at `now_ms`. So any further record of the
    /// shard is at least as new as `now_ms`, and as the newest record of the other shards.
    pub(super) fn reach_end(&mut self, shard: &str, now_ms: u64) {
        // If this machine's clock is behind the stream's, `now_ms` is too early, and the greatest
        // watermark is a better bound.
        let newest_ms = self.shards.values().map(|watermark| watermark.next_ms).max();
        self.advance(shard, newest_ms.unwrap_or(0).max(now_ms));
        if let Some(watermark) = self.shards.get_mut(shard) {
            watermark.end_ms = Some(now_ms);
        }
    }

    /// The greatest arrival that may be read now: the slowest shard's watermark plus the allowed drift.
    pub(super) fn limit_ms(&self) -> u64 {
        let slowest = self.shards.values().map(|watermark| watermark.next_ms).min();
        slowest.map_or(u64::MAX, |slowest| slowest.saturating_add(self.max_drift_ms))
    }

    /// The time up to which all shards are read, if every shard is read to its end.
    pub(super) fn all_read_until_ms(&self) -> Option<u64> {
        let ends = self.shards.values().map(|watermark| watermark.end_ms);
        ends.min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_shard_limits_the_others() {
        let mut watermarks = Watermarks::new(30);
        assert_eq!(watermarks.limit_ms(), u64::MAX);
        watermarks.add_shard("a");
        watermarks.add_shard("b");
        watermarks.advance("a", 1_000);
        assert_eq!(watermarks.limit_ms(), 30, "the watermark of b is unknown");
        watermarks.advance("b", 1_500);
        assert_eq!(watermarks.limit_ms(), 1_030);
        watermarks.advance("a", 1_900);
        assert_eq!(watermarks.limit_ms(), 1_530);
        watermarks.add_shard("b");
        watermarks.advance("b", 1_400);
        assert_eq!(watermarks.limit_ms(), 1_530, "a watermark never decreases");
        watermarks.retain(|shard| shard == "a");
        assert_eq!(watermarks.limit_ms(), 1_930);
    }

    #[test]
    fn all_is_read_once_every_shard_is_at_its_end() {
        let mut watermarks = Watermarks::new(30);
        assert_eq!(watermarks.all_read_until_ms(), None);
        watermarks.add_shard("a");
        watermarks.add_shard("b");
        watermarks.reach_end("a", 1_000);
        assert_eq!(watermarks.all_read_until_ms(), None);
        watermarks.reach_end("b", 900);
        assert_eq!(watermarks.all_read_until_ms(), Some(900));
        assert_eq!(watermarks.limit_ms(), 1_030);
        watermarks.advance("a", 1_100);
        assert_eq!(watermarks.all_read_until_ms(), None);
    }

    #[test]
    fn an_idle_shard_does_not_hold_up_others_when_the_clock_is_slow() {
        let mut watermarks = Watermarks::new(30);
        watermarks.add_shard("idle");
        watermarks.add_shard("busy");
        watermarks.advance("busy", 9_000);
        watermarks.reach_end("idle", 1_000);
        assert_eq!(watermarks.limit_ms(), 9_030);
        watermarks.reach_end("busy", 1_000);
        assert_eq!(watermarks.all_read_until_ms(), Some(1_000));
    }
}
