//! The progress of all shard tasks: positions, watermarks, and the service's clock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::deal::Deal;
use super::positions::Positions;
use super::positions_file::PositionsError;
use super::shard_reader::Record;
use super::shard_report::ShardProgress;
use super::start::Start;
use super::watermarks::Watermarks;
use crate::health::Component;
use crate::log::SourceClock;

/// The progress of all shards: of those that this service reads, and in a cluster of those of the other nodes.
#[derive(Debug)]
pub(super) struct Progress {
    /// The shards that this service reads.
    pub(super) deal: Deal,
    state: Mutex<State>,
    /// The greatest arrival that may be appended to the log now, in the service's time.
    limit_ms: watch::Sender<u64>,
    /// The service's clock, which follows the shards.
    time: SourceClock,
    /// The data directory.
    pub(super) data: PathBuf,
    /// Locked while the positions are written.
    saving: Mutex<()>,
    /// Reports lost records.
    pub(super) component: Component,
    /// Notified after each change.
    pub(super) changed: Notify,
    /// Notified when another node has finished a shard.
    pub(super) finished_elsewhere: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) positions: Positions,
    pub(super) watermarks: Watermarks,
    /// The last progress of each shard that another node has reported.
    pub(super) others: BTreeMap<String, ShardProgress>,
    /// What this node has reported last.
    pub(super) reported: BTreeMap<String, ShardProgress>,
    pub(super) retention_ms: u64,
    pub(super) is_saved: bool,
}

impl Progress {
    /// Resumes from `positions`, which are saved in the directory `data`. No shard gets ahead of another
    /// by more than `max_drift_ms` in the service's time.
    pub(super) fn new(
        deal: Deal,
        positions: Positions,
        data: PathBuf,
        max_drift_ms: u64,
        retention_ms: u64,
        time: SourceClock,
        component: Component,
    ) -> Self {
        let watermarks = Watermarks::new(max_drift_ms);
        let (limit_ms, _) = watch::channel(watermarks.limit_ms());
        let (others, reported) = (BTreeMap::new(), BTreeMap::new());
        let state = State { positions, watermarks, others, reported, retention_ms, is_saved: true };
        Self {
            deal,
            state: Mutex::new(state),
            limit_ms,
            time,
            data,
            saving: Mutex::new(()),
            component,
            changed: Notify::new(),
            finished_elsewhere: Notify::new(),
        }
    }

    /// The service's time, which arrivals are converted to.
    pub(super) fn time(&self) -> &SourceClock {
        &self.time
    }

    /// Where reading a shard starts.
    pub(super) fn start(&self, shard: &str) -> Start {
        self.lock().positions.get_or_insert(shard).next.clone()
    }

    /// Waits until the shard's next record, which arrived at `next_ms` in the service's time, may be
    /// appended. Returns the greatest arrival that may be appended now.
    pub(super) async fn admit(&self, shard: &str, next_ms: u64) -> u64 {
        self.change(|state| state.watermarks.advance(shard, next_ms));
        let mut limit = self.limit_ms.subscribe();
        let admitted = limit.wait_for(|limit_ms| next_ms <= *limit_ms).await;
        // Cannot fail, because `self` owns the sender.
        admitted.map_or(next_ms, |limit_ms| *limit_ms)
    }

    /// Records that the log is durable up to the record `last`. `arrival_ms` is its arrival in the log,
    /// if it was accepted.
    pub(super) fn commit(&self, shard: &str, last: &Record, arrival_ms: Option<u64>, now_ms: u64) {
        self.time.advance_to(arrival_ms.unwrap_or(0));
        self.change(|state| {
            if let Some(position) = state.positions.get_mut(shard) {
                position.next = Start::After(last.sequence.clone());
                state.is_saved = false;
            }
            state.read_until(shard, last.arrival_ms, now_ms);
        });
    }

    /// Records that all records of the shard that arrived before `until_ms` are read, and whether the
    /// reader has reached the end of the shard.
    pub(super) fn advance(&self, shard: &str, until_ms: u64, is_at_end: bool, now_ms: u64) {
        let until = self.time.clock_ms_at(until_ms);
        self.change(|state| {
            state.read_until(shard, until_ms, now_ms);
            match is_at_end {
                true => state.watermarks.reach_end(shard, until),
                false => state.watermarks.advance(shard, until),
            }
        });
    }

    /// Records that the shard is closed and read completely.
    pub(super) fn finish(&self, shard: &str) {
        self.change(|state| {
            if let Some(position) = state.positions.get_mut(shard) {
                position.is_finished = true;
                state.is_saved = false;
            }
        });
    }

    /// Writes the positions if they have changed. Blocks on the disk.
    pub(super) fn save(&self) -> Result<(), PositionsError> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let positions = {
            let mut state = self.lock();
            if state.is_saved {
                return Ok(());
            }
            state.is_saved = true;
            state.positions.clone()
        };
        let saved = positions.save(&self.data);
        if saved.is_err() {
            self.lock().is_saved = false;
        }
        saved
    }

    /// Changes the state, and updates the limit and the clock that depend on it.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        self.publish(&state);
    }

    /// Updates what depends on the state.
    pub(super) fn publish(&self, state: &State) {
        let limit_ms = state.watermarks.limit_ms();
        self.limit_ms
            .send_if_modified(|previous| std::mem::replace(previous, limit_ms) != limit_ms);
        if let Some(until_ms) = state.watermarks.all_read_until_ms() {
            self.time.advance_to(until_ms);
        }
        self.changed.notify_one();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Records that all records of a shard that arrived before `until_ms` are read. Does nothing if no
    /// such time is known yet and `until_ms` is older than the stream's retention: during the first read
    /// of a shard, its oldest records may expire, and that is not a gap.
    fn read_until(&mut self, shard: &str, until_ms: u64, now_ms: u64) {
        let is_retained = until_ms >= now_ms.saturating_sub(self.retention_ms);
        let Some(position) = self.positions.get_mut(shard) else { return };
        if is_retained || position.until_ms.is_some() {
            position.until_ms = position.until_ms.max(Some(until_ms));
            self.is_saved = false;
        }
    }
}
