//! The progress that the nodes of a cluster report to each other.
//!
//! Each node knows the watermarks of all shards, its own and those of the others. So the limit and the clock are those
//! of a single service that reads all shards, except that reports are a moment old. An old report is still true: its
//! shard has no older records. So it can only hold back.

use std::collections::BTreeMap;

use super::positions::{ShardPositions, update};
use super::progress::{Progress, State};
use super::shard_report::{ShardProgress, ShardReport};
use super::shards::Shard;

impl Progress {
    /// Records what another node reports.
    pub(super) fn apply(&self, report: &ShardReport) {
        let mut has_finished = false;
        self.change(|state| {
            for (shard, progress) in &report.progress {
                // Until its children are known, a finished shard holds back the others.
                match progress.is_finished {
                    true => has_finished = true,
                    false => state.watermarks.report(shard, *progress),
                }
                state.others.insert(shard.clone(), *progress);
            }
            if !report.archived.is_empty() {
                update(&mut state.positions.archived, &report.archived);
                state.is_saved = false;
            }
            if report.is_start {
                state.reported.clear();
            }
        });
        if has_finished {
            self.finished_elsewhere.notify_one();
        }
    }

    /// Waits until another node has finished a shard since the last wait.
    pub(super) async fn wait_finished_elsewhere(&self) {
        self.finished_elsewhere.notified().await;
    }

    /// The progress of this node's shards that was not reported yet. It counts as reported from now on.
    pub(super) fn take_changes(&self) -> BTreeMap<String, ShardProgress> {
        let mut state = self.lock();
        let current = state.own_progress(|shard| self.deal.has(shard));
        let gone = |(shard, last): (&String, &ShardProgress)| {
            // The stream dropped it.
            let finished = ShardProgress { is_finished: true, ..*last };
            (!current.contains_key(shard)).then(|| (shard.clone(), finished))
        };
        let mut changes: BTreeMap<_, _> = state.reported.iter().filter_map(gone).collect();
        changes.retain(|shard, progress| state.reported.get(shard) != Some(progress));
        let is_new = |(shard, progress): &(&String, &ShardProgress)| {
            state.reported.get(*shard) != Some(*progress)
        };
        let new = current.iter().filter(is_new).map(|(shard, progress)| (shard.clone(), *progress));
        changes.extend(new);
        state.reported = current;
        changes
    }

    /// The shards that this node reads now.
    pub(super) fn own_shards(&self) -> Vec<String> {
        let state = self.lock();
        let shards = state.watermarks.progress().map(|(shard, _)| shard);
        shards.filter(|shard| self.deal.has(shard)).cloned().collect()
    }

    /// The positions of this node's shards.
    pub(super) fn own_positions(&self) -> ShardPositions {
        let state = self.lock();
        let own = state.positions.shards.iter().filter(|(shard, _)| self.deal.has(shard));
        own.map(|(shard, position)| (shard.clone(), position.clone())).collect()
    }

    /// Records that the archive has all records up to `positions`. Returns those that are new.
    pub(super) fn set_archived(&self, mut positions: ShardPositions) -> ShardPositions {
        let mut state = self.lock();
        let before = state.positions.archived.clone();
        update(&mut state.positions.archived, &positions);
        positions.retain(|shard, position| before.get(shard) != Some(position));
        state.is_saved &= positions.is_empty();
        positions
    }
}

impl State {
    /// Whether a shard is read to its end, by this node or by another.
    pub(super) fn is_finished(&self, shard: &str) -> bool {
        let is_elsewhere = self.others.get(shard).is_some_and(|other| other.is_finished);
        is_elsewhere || self.positions.is_finished(shard)
    }

    /// Forgets what other nodes have finished and the stream no longer lists.
    pub(super) fn forget_unlisted(&mut self, listed: &[Shard]) {
        let is_listed = |id: &String| listed.iter().any(|shard| shard.id == *id);
        self.others.retain(|id, progress| !progress.is_finished || is_listed(id));
    }

    /// The progress of the shards that `is_own` selects.
    fn own_progress(&self, is_own: impl Fn(&str) -> bool) -> BTreeMap<String, ShardProgress> {
        let finished = |shard: &String| {
            let progress = ShardProgress { is_finished: true, ..ShardProgress::default() };
            (shard.clone(), progress)
        };
        let read = self.watermarks.progress().map(|(shard, progress)| (shard.clone(), progress));
        let all = self.positions.shards.iter().filter(|(_, position)| position.is_finished);
        let all = read.chain(all.map(|(shard, _)| finished(shard)));
        all.filter(|(shard, _)| is_own(shard)).collect()
    }
}
