//! The rebuilder: replays the log under other rules beside the running service, and lets what comes of it
//! take the place of what runs.
//!
//! ```text
//! archive, segments ──► engine beside, its own checkpoint      behind by hours, minutes, seconds …
//! log ──► junction ──► engine beside                           … and then with the service
//!             └──────► the service's engine                    until the one takes the other's place
//! ```

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::timeout;
use velodrome_dataflows::{Clock, Rules};

use super::kept;
use super::saver::Saver;
use crate::bans::{Bans, BansError};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::engine::{
    ClusterError, Events, Feeder, Junction, Live, RecoverError, Recovered, recover,
};
use crate::log::{Files, Health, Log, LogError};
use crate::rebuild::{Order, Rebuilds};
use crate::rules;

/// The checkpoint of a rebuild, until it takes the place of the service's.
pub(super) const REBUILT: &str = "rebuilt.redb";

/// A rebuild whose last pass over the log took no longer than this is near enough to let what comes now wait;
/// with each pass that took longer it is more, so that a slow machine gets there, too.
const NEAR: Duration = Duration::from_secs(2);

/// A pass over the log that broke off is tried again after half a second, then after twice as long each time, up
/// to a minute: objects take the place of segments, buckets are away for some time, and damaged objects are brought
/// back.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How long the service's clock is waited for at a time.
const WAIT: Duration = Duration::from_millis(100);

/// What the rebuilder works with.
pub(super) struct Rebuilder {
    pub(super) rebuilds: Rebuilds,
    pub(super) live: Arc<Mutex<Live>>,
    pub(super) saver: Arc<Mutex<Saver>>,
    pub(super) junction: Junction,
    pub(super) log: Log<Events>,
    pub(super) files: Files,
    pub(super) bans: Bans,
    /// The data directory, and the service's checkpoint.
    pub(super) data: PathBuf,
    pub(super) checkpoint: PathBuf,
    pub(super) checkpoint_every: Duration,
    pub(super) workers: usize,
    pub(super) runtime: Handle,
}

/// Why a rebuild came to nothing; the service goes on as it was.
#[derive(Debug, Error)]
enum RebuildError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Workers(#[from] ClusterError),
    #[error(transparent)]
    Bans(#[from] BansError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Recover(#[from] RecoverError),
    #[error(
        "the log takes nothing until a restart, and may hold what was never acknowledged; restart it"
    )]
    Poisoned,
}

/// An engine beside the service's, on its way to take its place.
struct Beside<'a> {
    by: &'a Rebuilder,
    order: &'a Order,
    live: Live,
    saver: Saver,
    saved: Instant,
    recovered: Recovered,
}

impl Rebuilder {
    /// Carries out orders until there are no more.
    pub(super) fn run(self) {
        while let Some(order) = self.rebuilds.next() {
            let id = rules::id(&order.rules);
            let began = Instant::now();
            gauge!("velodrome_rebuild_running").set(1.0);
            let outcome = match self.carry_out(&order) {
                Ok(true) => {
                    self.rebuilds.done(&order);
                    let seconds = began.elapsed().as_secs_f64();
                    tracing::info!(rules = id, seconds, "the rules hold");
                    "done"
                }
                Ok(false) => {
                    tracing::info!(rules = id, "the rebuild was given up");
                    "given_up"
                }
                Err(error) => {
                    tracing::error!(rules = id, %error, "the rebuild failed; the rules stay as they were");
                    self.rebuilds.tell(&order, |told| told.failure = Some(error.to_string()));
                    "failed"
                }
            };
            counter!("velodrome_rebuilds_total", "outcome" => outcome).increment(1);
            gauge!("velodrome_rebuild_running").set(0.0);
        }
    }

    /// Whether what was ordered holds; else it was not wanted any more.
    fn carry_out(&self, order: &Order) -> Result<bool, RebuildError> {
        let engine = lock(&self.live).engine.clone();
        if !order.is_renewal && *engine.rules().rules() == *order.rules {
            return Ok(true);
        }
        let path = self.data.join(REBUILT);
        let outcome = self.beside(order, &path);
        if !matches!(outcome, Ok(true)) {
            self.bans.leave(|| self.junction.leave(|| ()));
            if let Err(error) = Checkpoint::discard(&path) {
                tracing::warn!(%error, "what is left of a rebuild stays until the next start");
            }
        }
        outcome
    }

    /// The same, with a checkpoint of its own at `path` until that takes the other's place.
    fn beside(&self, order: &Order, path: &Path) -> Result<bool, RebuildError> {
        Checkpoint::discard(path)?;
        let checkpoint = Checkpoint::open(path, &order.rules)?;
        let live = Live::start(self.workers, Rules::clone(&order.rules))?;
        let (engine, unsaved) = (live.engine.clone(), Arc::clone(&live.unsaved));
        let saver = Saver { checkpoint, engine, unsaved };
        let (saved, recovered) = (Instant::now(), Recovered::default());
        // Before all else that the engine is told.
        self.bans.join(live.engine.clone())?;
        Beside { by: self, order, live, saver, saved, recovered }.come()
    }
}

impl Beside<'_> {
    /// Catches up with the service and takes its place, unless it is not wanted any more.
    fn come(mut self) -> Result<bool, RebuildError> {
        let junction = &self.by.junction;
        let (mut from, mut near) = (0, NEAR);
        loop {
            let (began, until) = (Instant::now(), junction.advanced());
            if !self.pass(from, until)? {
                return Ok(false);
            }
            from = until.max(from);
            if began.elapsed() > near {
                near *= 2;
                continue;
            }
            let before = junction.queue();
            let until = loop {
                if let Some(until) = junction.advanced_past(before, WAIT) {
                    break until;
                }
                if !self.by.rebuilds.is_wanted(self.order) {
                    return Ok(false);
                }
            };
            if !self.pass(from, until)? {
                return Ok(false);
            }
            match junction.join(Feeder::new(self.live.engine.clone()), until.max(from)) {
                Ok(()) => return self.take_place(),
                Err(reached) => from = reached,
            }
        }
    }

    /// Takes the events of the log that arrived at `from` or later, and before `until`; whether it is to go on.
    fn pass(&mut self, mut from: Clock, until: Clock) -> Result<bool, RebuildError> {
        let (rebuilds, order) = (&self.by.rebuilds, self.order);
        let (mut retry, mut is_first) = (RETRY_MIN, true);
        while let Err(error) = self.read(from, until) {
            if self.recovered.clock > from {
                (from, retry, is_first) = (self.recovered.clock, RETRY_MIN, true);
            }
            // At first it is most likely a segment that became an object meanwhile.
            if !is_first {
                tracing::warn!(%error, "a rebuild does not get any further; trying again");
                rebuilds.tell(order, |told| told.failure = Some(error.to_string()));
            }
            if !rebuilds.wait(order, retry) {
                return Ok(false);
            }
            (retry, is_first) = ((2 * retry).min(RETRY_MAX), false);
        }
        rebuilds.tell(order, |told| told.failure = None);
        Ok(rebuilds.is_wanted(order))
    }

    fn read(&mut self, from: Clock, until: Clock) -> Result<(), RebuildError> {
        let Self { by, order, live, saver, saved, recovered } = self;
        let inputs = by.files.inputs_from(from)?;
        let more: u64 = inputs.iter().map(|input| input.bytes).sum();
        let bytes = recovered.bytes + more;
        let (events, rate) = (recovered.events, counter!("velodrome_rebuild_events_total"));
        let mut counted = events;
        recover(&inputs, from..until, &live.engine, &by.runtime, recovered, |recovered| {
            by.rebuilds.tell(order, |told| {
                (told.events, told.clock) = (recovered.events, recovered.clock);
                (told.read_bytes, told.bytes) = (recovered.bytes, bytes);
                gauge!("velodrome_rebuild_share").set(told.share());
            });
            rate.increment(recovered.events - counted);
            counted = recovered.events;
            // Nobody follows it yet.
            drop(live.engine.live().1.take_touched());
            if saved.elapsed() > by.checkpoint_every {
                saver.save_or_tell();
                *saved = Instant::now();
            }
            by.rebuilds.is_wanted(order)
        })?;
        Ok(())
    }

    /// Takes the service's place, as it is told all that the service is.
    fn take_place(mut self) -> Result<bool, RebuildError> {
        let by = self.by;
        let (mut saver, mut live) = (lock(&by.saver), lock(&by.live));
        // Whatever can fail does so while nothing has changed.
        self.saver.save()?;
        if matches!(by.log.health(), Health::Poisoned(_)) {
            return Err(RebuildError::Poisoned);
        }
        if !by.rebuilds.is_wanted(self.order) {
            return Ok(false);
        }
        self.saver.checkpoint.take_place(&by.checkpoint)?;
        kept::keep(&by.data, &self.order.rules);

        let (closing, next) = (live.close(), self.live);
        let heard = closing.heard();
        // A later time than was ever told, so that all of it counts as changed since. Where the service ends, the
        // clock may stand still; then it is the same, as both were told the same.
        while next.engine.complete() < heard + u64::from(!by.rebuilds.is_stopping()) {
            let reached = next.engine.reached(heard + 1);
            let waited = by.runtime.block_on(async { timeout(WAIT, reached).await });
            waited.map_or(Ok(()), |reached| reached).unwrap_or_default();
        }
        let retired = by.bans.leave(|| by.junction.leave(|| live.hand_over(closing, next)));
        *saver = Saver {
            checkpoint: self.saver.checkpoint,
            engine: live.engine.clone(),
            unsaved: Arc::clone(&live.unsaved),
        };
        drop((saver, live));
        // Ends the workers whose place was taken, which nobody asks any more.
        drop(retired);
        Ok(true)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
