//! What the readers of all shards share: how far they are, and what follows from that.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::counter;
use tokio::sync::watch;

use super::Start;
use super::fronts::Fronts;
use super::lineage::{self, Shard};
use super::positions::{Positions, PositionsError};
use super::shard::Record;
use super::stream::Stream;
use crate::health::Part;
use crate::ingest::objects;
use crate::log::SourceTime;

/// How far all shards are read.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    /// Up to which arrival records may be taken, in the service's time.
    limit: watch::Sender<u64>,
    /// The service's clock, which goes on as the shards do.
    time: SourceTime,
    /// The data directory.
    data: PathBuf,
    /// Held while the positions are written.
    saving: Mutex<()>,
    /// Told of what was lost.
    part: Part,
}

#[derive(Debug)]
struct State {
    positions: Positions,
    fronts: Fronts,
    retention_ms: u64,
    is_saved: bool,
}

impl Progress {
    /// Goes on from `positions`, kept in the directory `data`; no shard is read further ahead of another
    /// than `distance_ms` of the service's time.
    pub(super) fn new(
        positions: Positions,
        data: PathBuf,
        distance_ms: u64,
        retention_ms: u64,
        time: SourceTime,
        part: Part,
    ) -> Self {
        let fronts = Fronts::new(distance_ms);
        let (limit, _) = watch::channel(fronts.limit());
        let state = State { positions, fronts, retention_ms, is_saved: true };
        Self { state: Mutex::new(state), limit, time, data, saving: Mutex::new(()), part }
    }

    /// The service's time, which records' arrivals are told in.
    pub(super) fn time(&self) -> &SourceTime {
        &self.time
    }

    /// Takes note of the shards that are listed, of how long the stream keeps records, and of how far shards
    /// may be apart, from the next record on. Gives those that are to be read now, and those that are not
    /// listed any more though they were not read to their ends, which is told.
    pub(super) fn list(
        &self,
        listed: &[Shard],
        retention_ms: u64,
        distance_ms: u64,
    ) -> (Vec<String>, Vec<String>) {
        let mut state = self.lock();
        state.retention_ms = retention_ms;
        state.fronts.distance_ms = distance_ms;
        let lost = state.positions.forget(listed);
        let is_finished = |id: &str| state.positions.is_finished(id);
        let readable = lineage::readable(listed, is_finished);
        let readable: Vec<_> = readable.map(|shard| shard.id.clone()).collect();
        readable.iter().for_each(|shard| state.fronts.join(shard));
        drop(state);
        for (shard, position) in &lost {
            let since = position.until_ms.map_or("its beginning".to_owned(), objects::time);
            self.gap(format_args!(
                "shard '{shard}' was dropped by the stream before it was read to its end: records from \
                 {since} on are lost"
            ));
        }
        (readable, lost.into_iter().map(|(shard, _)| shard).collect())
    }

    /// Whether the stream is the one that the positions are of: was made at `created_ms`.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn is_of(&self, stream: &Stream, created_ms: u64) -> Result<(), PositionsError> {
        self.lock().positions.check(&self.data, stream, created_ms)
    }

    /// A shard is not read any more; those that go on with it have joined.
    pub(super) fn leave(&self, shard: &str) {
        self.change(|state| state.fronts.leave(shard));
    }

    /// Where to begin with a shard.
    pub(super) fn start(&self, shard: &str) -> Start {
        self.lock().positions.begun(shard).next.clone()
    }

    /// The shard is about to be read at `now_ms`; where the stream may have dropped what is next, that is
    /// told.
    pub(super) fn check(&self, shard: &str, now_ms: u64) {
        let mut state = self.lock();
        let horizon_ms = now_ms.saturating_sub(state.retention_ms);
        let hours = state.retention_ms / 3_600_000;
        let position = state.positions.of(shard);
        let lost = position.and_then(|position| position.until_ms.take_if(|ms| *ms < horizon_ms));
        drop(state);
        if let Some(until_ms) = lost {
            let [since, until] = [until_ms, horizon_ms].map(objects::time);
            self.gap(format_args!(
                "shard '{shard}' was read until {since}, and the stream keeps records for {hours} h: those \
                 up to {until} may be lost"
            ));
        }
    }

    /// The shard's next record arrived at `next_ms` of the service's time: waits until it may be taken, and
    /// tells up to when others may be.
    pub(super) async fn admit(&self, shard: &str, next_ms: u64) -> u64 {
        self.change(|state| state.fronts.reach(shard, next_ms));
        let mut limit = self.limit.subscribe();
        let admitted = limit.wait_for(|limit| next_ms <= *limit).await;
        // The sender lives as long as this does.
        admitted.map_or(next_ms, |limit| *limit)
    }

    /// All up to the record `last` is durable in the log, which was there at `arrival_ms` where it took any.
    pub(super) fn took(&self, shard: &str, last: &Record, arrival_ms: Option<u64>, now_ms: u64) {
        self.time.reach(arrival_ms.unwrap_or(0));
        self.change(|state| {
            if let Some(position) = state.positions.of(shard) {
                position.next = Start::After(last.sequence.clone());
                state.is_saved = false;
            }
            state.read_until(shard, last.arrival_ms, now_ms);
        });
    }

    /// The shard holds nothing of before `until_ms` that is not taken; that is its end, where `is_all` says so.
    pub(super) fn passed(&self, shard: &str, until_ms: u64, is_all: bool, now_ms: u64) {
        let until = self.time.at(until_ms);
        self.change(|state| {
            state.read_until(shard, until_ms, now_ms);
            match is_all {
                true => state.fronts.end(shard, until),
                false => state.fronts.reach(shard, until),
            }
        });
    }

    /// The shard is closed, and all of it is taken.
    pub(super) fn finish(&self, shard: &str) {
        self.change(|state| {
            if let Some(position) = state.positions.of(shard) {
                position.is_finished = true;
                state.is_saved = false;
            }
        });
    }

    /// Writes the positions where they changed. Blocks on the disk.
    pub(super) fn save(&self) -> Result<(), PositionsError> {
        let _alone = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn gap(&self, what: std::fmt::Arguments<'_>) {
        counter!("velodrome_source_gaps_total").increment(1);
        self.part.note(what);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let limit = state.fronts.limit();
        self.limit.send_if_modified(|told| std::mem::replace(told, limit) != limit);
        if let Some(present) = state.fronts.present() {
            self.time.reach(present);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// All of a shard is read that arrived before `until_ms`. Where that is older than what the stream keeps,
    /// it may be gone while it is read, and nobody was to get it.
    fn read_until(&mut self, shard: &str, until_ms: u64, now_ms: u64) {
        let is_kept = until_ms >= now_ms.saturating_sub(self.retention_ms);
        let Some(position) = self.positions.of(shard) else { return };
        if is_kept || position.until_ms.is_some() {
            position.until_ms = position.until_ms.max(Some(until_ms));
            self.is_saved = false;
        }
    }
}
