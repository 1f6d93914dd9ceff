//! The progress of all shard tasks: positions, watermarks, and the service's clock.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::counter;
use tokio::sync::watch;

use super::positions::{Positions, PositionsError};
use super::shard_reader::Record;
use super::shards::{self, Shard};
use super::start::Start;
use super::stream::Stream;
use super::watermarks::Watermarks;
use crate::health::Component;
use crate::ingest::object_names;
use crate::log::SourceClock;

/// The progress of all shards.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    /// The greatest arrival that may be appended to the log now, in the service's time.
    limit_ms: watch::Sender<u64>,
    /// The service's clock, which follows the shards.
    time: SourceClock,
    /// The data directory.
    data: PathBuf,
    /// Locked while the positions are written.
    saving: Mutex<()>,
    /// Reports lost records.
    component: Component,
}

#[derive(Debug)]
struct State {
    positions: Positions,
    watermarks: Watermarks,
    retention_ms: u64,
    is_saved: bool,
}

impl Progress {
    /// Resumes from `positions`, which are saved in the directory `data`. No shard gets ahead of another
    /// by more than `max_drift_ms` in the service's time.
    pub(super) fn new(
        positions: Positions,
        data: PathBuf,
        max_drift_ms: u64,
        retention_ms: u64,
        time: SourceClock,
        component: Component,
    ) -> Self {
        let watermarks = Watermarks::new(max_drift_ms);
        let (limit_ms, _) = watch::channel(watermarks.limit_ms());
        let state = State { positions, watermarks, retention_ms, is_saved: true };
        Self { state: Mutex::new(state), limit_ms, time, data, saving: Mutex::new(()), component }
    }

    /// The service's time, which arrivals are converted to.
    pub(super) fn time(&self) -> &SourceClock {
        &self.time
    }

    /// Updates the listed shards, the stream's retention, and the allowed drift. Returns the shards that
    /// are to be read now, and those that the stream dropped before they were finished. The latter are
    /// reported.
    pub(super) fn update_shards(
        &self,
        listed: &[Shard],
        retention_ms: u64,
        max_drift_ms: u64,
    ) -> (Vec<String>, Vec<String>) {
        let mut state = self.lock();
        state.retention_ms = retention_ms;
        state.watermarks.max_drift_ms = max_drift_ms;
        let lost = state.positions.remove_unlisted(listed);
        let is_finished = |id: &str| state.positions.is_finished(id);
        let readable = shards::readable(listed, is_finished);
        let readable: Vec<_> = readable.map(|shard| shard.id.clone()).collect();
        readable.iter().for_each(|shard| state.watermarks.add_shard(shard));
        drop(state);
        for (shard, position) in &lost {
            let since =
                position.until_ms.map_or("its beginning".to_owned(), object_names::format_time);
            self.report_gap(format_args!(
                "shard '{shard}' was dropped by the stream before it was read to its end: records from \
                 {since} on are lost; raise the stream's retention"
            ));
        }
        (readable, lost.into_iter().map(|(shard, _)| shard).collect())
    }

    /// Checks that the stream, created at `created_ms`, is the one that the positions belong to.
    ///
    /// # Errors
    /// It is another stream.
    pub(super) fn check_stream(
        &self,
        stream: &Stream,
        created_ms: u64,
    ) -> Result<(), PositionsError> {
        self.lock().positions.check(&self.data, stream, created_ms)
    }

    /// Removes a shard that is no longer read. Call this after the shard's children were added.
    pub(super) fn remove_shard(&self, shard: &str) {
        self.change(|state| state.watermarks.remove_shard(shard));
    }

    /// Where reading a shard starts.
    pub(super) fn start(&self, shard: &str) -> Start {
        self.lock().positions.get_or_insert(shard).next.clone()
    }

    /// Checks at `now_ms`, before a read, that the shard's position is within the stream's retention. If
    /// it is not, reports that records may be lost.
    pub(super) fn check_retention(&self, shard: &str, now_ms: u64) {
        let mut state = self.lock();
        let horizon_ms = now_ms.saturating_sub(state.retention_ms);
        let hours = state.retention_ms / 3_600_000;
        let position = state.positions.get_mut(shard);
        let lost = position.and_then(|position| position.until_ms.take_if(|ms| *ms < horizon_ms));
        drop(state);
        if let Some(until_ms) = lost {
            let [since, until] = [until_ms, horizon_ms].map(object_names::format_time);
            self.report_gap(format_args!(
                "shard '{shard}' was read until {since}, but the stream keeps records for only {hours} h: \
                 records up to {until} may be lost; raise the stream's retention"
            ));
        }
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

    fn report_gap(&self, note: fmt::Arguments<'_>) {
        counter!("velodrome_source_gaps_total").increment(1);
        self.component.note(note);
    }

    /// Changes the state, and updates the limit and the clock that depend on it.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let limit_ms = state.watermarks.limit_ms();
        self.limit_ms
            .send_if_modified(|previous| std::mem::replace(previous, limit_ms) != limit_ms);
        if let Some(until_ms) = state.watermarks.all_read_until_ms() {
            self.time.advance_to(until_ms);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
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
