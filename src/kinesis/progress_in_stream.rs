//! The progress compared to what the stream has: its shards, and its retention.

use std::collections::BTreeSet;
use std::fmt;

use metrics::counter;

use super::positions_file::PositionsError;
use super::progress::{Progress, State};
use super::shards::{self, Shard};
use super::stream::Stream;
use crate::ingest::object_names;

impl Progress {
    /// Updates the listed shards, the stream's retention, and the allowed drift. Returns the shards that
    /// this service is to read now, and those that the stream dropped before it finished them. The latter are
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
        let mut lost = state.positions.remove_unlisted(listed);
        lost.retain(|(shard, _)| self.deal.has(shard));
        state.forget_unlisted(listed);
        let readable = shards::readable(listed, |id| state.is_finished(id));
        let readable: BTreeSet<_> = readable.map(|shard| shard.id.clone()).collect();
        readable.iter().for_each(|shard| state.watermarks.add_shard(shard));
        // The children have watermarks by now, so they limit the other shards in place of their parents.
        let State { watermarks, others, .. } = &mut *state;
        let is_read_elsewhere = |id: &str| others.get(id).is_some_and(|other| !other.is_finished);
        watermarks.retain(|shard| readable.contains(shard) || is_read_elsewhere(shard));
        self.publish(&state);
        drop(state);
        for (shard, position) in &lost {
            let since =
                position.until_ms.map_or("its beginning".to_owned(), object_names::format_time);
            self.report_gap(format_args!(
                "shard '{shard}' was dropped by the stream before it was read to its end: records from \
                 {since} on are lost; raise the stream's retention"
            ));
        }
        let own = readable.into_iter().filter(|shard| self.deal.has(shard));
        (own.collect(), lost.into_iter().map(|(shard, _)| shard).collect())
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

    fn report_gap(&self, note: fmt::Arguments<'_>) {
        counter!("velodrome_source_gaps_total").increment(1);
        self.component.note(note);
    }
}
