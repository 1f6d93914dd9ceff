//! The rebuilder: replays the log under other rules beside the running service, and lets what comes of it
//! take the place of what runs.
//!
//! ```text
//! archive, segments ──► engine beside, its own checkpoint      behind by hours, minutes, seconds …
//! log ──► junction ──► engine beside                           … and then with the service
//!             └──────► the service's engine                    until the one takes the other's place
//! ```

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use thiserror::Error;
use tokio::runtime::Handle;
use velodrome_dataflows::Clock;

use super::kept;
use super::saver::Saver;
use crate::bans::{Bans, BansError};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::engine::{
    ClusterError, EngineError, Feeder, Junction, Live, RecoverError, Recovered, recover,
};
use crate::log::{Files, LogError};
use crate::rebuild::{Order, Rebuilds};
use crate::rules;

/// The checkpoint of a rebuild, until it takes the place of the service's.
pub(super) const REBUILT: &str = "rebuilt.redb";

/// A rebuild whose last pass over the log took no longer than this is near enough to let what comes now wait.
const NEAR: Duration = Duration::from_secs(2);

/// A pass over the log is tried so many times without getting any further: objects take the place of
/// segments, and buckets are away for some time.
const TRIES_MAX: u32 = 10;
const RETRY: Duration = Duration::from_millis(500);

/// What the rebuilder works with.
pub(super) struct Rebuilder {
    pub(super) rebuilds: Rebuilds,
    pub(super) live: Arc<Mutex<Live>>,
    pub(super) saver: Arc<Mutex<Saver>>,
    pub(super) junction: Junction,
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
    Engine(#[from] EngineError),
    #[error(transparent)]
    Bans(#[from] BansError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Recover(#[from] RecoverError),
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
        if !order.is_renewal && *engine.rules().rules() == order.rules {
            return Ok(true);
        }
        let path = self.data.join(REBUILT);
        Checkpoint::discard(&path)?;
        let checkpoint = Checkpoint::open(&path, &order.rules)?;
        let live = Live::start(self.workers, order.rules.clone())?;
        let (engine, unsaved) = (live.engine.clone(), Arc::clone(&live.unsaved));
        let saver = Saver { checkpoint, engine, unsaved };
        let (saved, recovered) = (Instant::now(), Recovered::default());
        // Before all else that the engine is told.
        self.bans.join(live.engine.clone())?;
        let beside = Beside { by: self, order, live, saver, saved, recovered };
        let outcome = beside.come();
        if !matches!(outcome, Ok(true)) {
            self.bans.leave(|| self.junction.leave(|| ()));
            Checkpoint::discard(&path)?;
        }
        outcome
    }
}

impl Beside<'_> {
    /// Catches up with the service and takes its place, unless it is not wanted any more.
    fn come(mut self) -> Result<bool, RebuildError> {
        let junction = &self.by.junction;
        let mut from = 0;
        loop {
            let (began, until) = (Instant::now(), junction.advanced());
            if !self.pass(from, until)? {
                return Ok(false);
            }
            from = until.max(from);
            if began.elapsed() > NEAR {
                continue;
            }
            let before = junction.queue();
            let until = loop {
                if let Some(until) = junction.advanced_past(before, NEAR) {
                    break until;
                }
                if !self.by.rebuilds.is_wanted(self.order) {
                    return Ok(false);
                }
            };
            if !self.pass(from, until)? {
                return Ok(false);
            }
            from = until;
            if junction.join(Feeder::new(self.live.engine.clone()), from) {
                break;
            }
        }
        self.take_place()
    }

    /// Takes the events of the log that arrived at `from` or later, and before `until`; whether it is to go on.
    fn pass(&mut self, mut from: Clock, until: Clock) -> Result<bool, RebuildError> {
        let mut tries = 0;
        loop {
            let Err(error) = self.read(from, until) else {
                return Ok(self.by.rebuilds.is_wanted(self.order));
            };
            if self.recovered.clock > from {
                (from, tries) = (self.recovered.clock, 0);
            }
            tries += 1;
            if tries > TRIES_MAX || matches!(error, RebuildError::Checkpoint(_)) {
                return Err(error);
            }
            tracing::debug!(%error, "the log is read again from where it broke off");
            thread::sleep(RETRY);
            if !self.by.rebuilds.is_wanted(self.order) {
                return Ok(false);
            }
        }
    }

    fn read(&mut self, from: Clock, until: Clock) -> Result<(), RebuildError> {
        let Self { by, order, live, saver, saved, recovered } = self;
        let inputs = by.files.inputs_from(from)?;
        let more: u64 = inputs.iter().map(|input| input.bytes).sum();
        let bytes = recovered.bytes + more;
        let (events, rate) = (recovered.events, counter!("velodrome_rebuild_events_total"));
        let mut counted = events;
        let mut saving = Ok(());
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
                saving = saver.save();
                *saved = Instant::now();
            }
            saving.is_ok() && by.rebuilds.is_wanted(order)
        })?;
        Ok(saving?)
    }

    /// Takes the service's place, as it is told all that the service is.
    fn take_place(mut self) -> Result<bool, RebuildError> {
        let by = self.by;
        let (mut saver, mut live) = (lock(&by.saver), lock(&by.live));
        // Whatever can fail does so while nothing has changed.
        self.saver.save()?;
        if !by.rebuilds.is_wanted(self.order) {
            return Ok(false);
        }
        self.saver.checkpoint.take_place(&by.checkpoint)?;
        kept::keep(&by.data, &self.order.rules);

        let closing = live.close();
        by.runtime.block_on(self.live.engine.reached(closing.heard() + 1))?;
        let next = self.live;
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
