//! One rebuild: a standby engine replays the log under the requested rules, and replaces the service's
//! engine when it has caught up.

use std::slice;
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use tokio::time::timeout;
use velodrome_dataflows::EventTime;

use super::catch_up::catch_up;
use super::mutex::lock;
use super::rebuild_context::RebuildContext;
use super::rebuild_error::RebuildError;
use super::saved_rules;
use super::saver::Saver;
use crate::checkpoint::Checkpoint;
use crate::engine::{Events, RecoveryCounts, RunningEngine, recover};
use crate::log::{LogHealth, Positions};
use crate::rebuild_requests::RebuildRequest;

/// A failed pass is retried after half a second, and the delay doubles up to a minute. Failures can
/// resolve: a segment has become an object, a bucket is reachable again, or an operator has restored a
/// damaged object.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The interval at which a wait checks whether the service stops.
const POLL: Duration = Duration::from_millis(100);

/// A standby engine on its way to replace the service's engine.
pub(super) struct Rebuild<'a> {
    context: &'a RebuildContext,
    request: &'a RebuildRequest,
    standby: RunningEngine,
    saver: Saver,
    /// When the standby engine's checkpoint was last written.
    saved: Instant,
    recovered: RecoveryCounts,
}

impl<'a> Rebuild<'a> {
    /// A rebuild with the engine `standby`, which has the bans but no events, and its own `checkpoint`.
    pub(super) fn new(
        context: &'a RebuildContext,
        request: &'a RebuildRequest,
        standby: RunningEngine,
        checkpoint: Checkpoint,
    ) -> Self {
        let saver = Saver::new(checkpoint, &standby, Positions::default());
        let recovered = RecoveryCounts::default();
        Self { context, request, standby, saver, saved: Instant::now(), recovered }
    }

    /// Catches up with the service and replaces its engine. Returns false if the request was cancelled.
    pub(super) fn run(mut self) -> Result<bool, RebuildError> {
        let (context, request) = (self.context, self.request);
        let engine = self.standby.engine.clone();
        let replay = |from, until| self.replay(from, until);
        let is_current = || context.rebuilds.is_current(request);
        let advance = |_| context.log.handle.advance();
        match catch_up(&context.log.standby_feed, &engine, 0, replay, advance, is_current)? {
            true => self.replace_engine(),
            false => Ok(false),
        }
    }

    /// Replays the events of the log that arrived at `from` or later and before `until`, and retries
    /// until it succeeds. Returns false if the request was cancelled.
    fn replay(&mut self, mut from: EventTime, until: EventTime) -> Result<bool, RebuildError> {
        let (rebuilds, request) = (&self.context.rebuilds, self.request);
        let (mut retry, mut is_first) = (RETRY_MIN, true);
        while let Err(error) = self.try_replay(from, until) {
            if self.recovered.clock > from {
                (from, retry, is_first) = (self.recovered.clock, RETRY_MIN, true);
            }
            // The first failure is most likely a segment that has become an object in the meantime, so
            // report only from the second failure on.
            if !is_first {
                tracing::warn!(%error, "a rebuild is stalled; trying again");
                let failure = Some(error.to_string());
                rebuilds.update_progress(request, |progress| progress.failure = failure);
            }
            if !rebuilds.wait_while_current(request, retry) {
                return Ok(false);
            }
            (retry, is_first) = ((2 * retry).min(RETRY_MAX), false);
        }
        rebuilds.update_progress(request, |progress| progress.failure = None);
        Ok(self.is_current())
    }

    fn try_replay(&mut self, from: EventTime, until: EventTime) -> Result<(), RebuildError> {
        let Self { context, request, standby, saver, saved, recovered } = self;
        let inputs = context.log.files.inputs_from(from, None)?;
        let remaining: u64 = inputs.iter().map(|input| input.bytes).sum();
        let bytes = recovered.bytes + remaining;
        let (mut counted, rate) = (recovered.events, counter!("velodrome_rebuild_events_total"));
        let (engine, runtime) = (&standby.engine, &context.runtime);
        let observe = |_: &Events| ();
        recover(
            slice::from_ref(&inputs),
            from..until,
            engine,
            runtime,
            recovered,
            observe,
            |recovered| {
                context.rebuilds.update_progress(request, |progress| {
                    (progress.events, progress.clock) = (recovered.events, recovered.clock);
                    (progress.read_bytes, progress.bytes) = (recovered.bytes, bytes);
                    gauge!("velodrome_rebuild_share").set(progress.share());
                });
                rate.increment(recovered.events - counted);
                counted = recovered.events;
                // No stream consumes the standby engine's list of changes, so clear it here or it would grow
                // without bound.
                drop(engine.live_state().1.take_changed());
                if saved.elapsed() > context.checkpoint_every {
                    // The next attempt follows, and the last one must succeed.
                    saver.try_save().unwrap_or_default();
                    *saved = Instant::now();
                }
                context.rebuilds.is_current(request)
            },
        )?;
        Ok(())
    }

    /// Replaces the service's engine and checkpoint. The standby engine receives all deliveries of the
    /// log. Returns false if the request was cancelled.
    fn replace_engine(mut self) -> Result<bool, RebuildError> {
        let context = self.context;
        let (mut saver, mut running) = (lock(&context.saver), lock(&context.running));
        // Do everything that can fail before the first change to the service.
        self.saver.save()?;
        if matches!(context.log.handle.health(), LogHealth::Poisoned(_)) {
            return Err(RebuildError::Poisoned);
        }
        if !self.is_current() {
            return Ok(false);
        }
        self.saver.checkpoint.rename_to(&context.checkpoint)?;
        saved_rules::save(&context.data, &self.request.rules);

        let frozen = running.freeze();
        self.wait_complete_past(frozen.last_time());
        let (standby, feed) = (self.standby, &context.log.standby_feed);
        let retired =
            context.bans.detach_standby(|| feed.detach(|| running.switch_to(frozen, standby)));
        *saver = Saver::new(self.saver.checkpoint, &running, context.log.positions.clone());
        drop((saver, running));
        // End the replaced workers, which receive no more queries.
        drop(retired);
        Ok(true)
    }

    /// Waits until the standby engine is complete past `last`, the last time that readers saw.
    ///
    /// The later time makes readers see every difference as a change since `last`. While the service
    /// stops, its clock may no longer advance. The same time is then enough, because both engines
    /// received the same deliveries.
    fn wait_complete_past(&self, last: EventTime) {
        let engine = &self.standby.engine;
        while engine.complete() < last + u64::from(!self.context.rebuilds.is_stopping()) {
            let reached = engine.wait_complete(last + 1);
            let waited = self.context.runtime.block_on(async { timeout(POLL, reached).await });
            waited.map_or(Ok(()), |reached| reached).unwrap_or_default();
        }
    }

    fn is_current(&self) -> bool {
        self.context.rebuilds.is_current(self.request)
    }
}
