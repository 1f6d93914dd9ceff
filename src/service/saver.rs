//! The saver: writes complete changes to the checkpoint, at an interval and at shutdown.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use velodrome_dataflows::EventTime;

use super::mutex::lock;
use super::service_clock;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::engine::{Engine, RunningEngine, UnsavedChanges};
use crate::health::Component;
use crate::log::{self, Positions};

/// The interval between reports of the checkpoint's age and of the clock.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// A checkpoint, and the engine whose changes it saves.
pub(super) struct Saver {
    pub(super) checkpoint: Checkpoint,
    engine: Engine,
    unsaved: Arc<UnsavedChanges>,
    /// The positions of the log that `engine` reads live.
    positions: Positions,
    is_paused: bool,
}

/// Where the saver reports.
pub(super) struct SaverHealth {
    pub(super) checkpoint: Component,
    pub(super) clock: Component,
}

/// Saves at the interval `every`, and a last time when `stopped` disconnects. Reports the checkpoint's age
/// and the clock's difference from the machine's.
pub(super) fn run(
    saver: &Mutex<Saver>,
    every: Duration,
    clock: &log::Clock,
    health: &SaverHealth,
    stopped: &Receiver<()>,
) {
    let save = || {
        let mut saver = lock(saver);
        match saver.try_save() {
            Ok(()) => health.checkpoint.set_ok(),
            Err(error) => health.checkpoint.warn(format_args!("{error}; trying again")),
        }
        saver.checkpoint.complete()
    };
    let (mut saved, mut complete) = (Instant::now(), save());
    service_clock::report(clock, &health.clock);
    while stopped.recv_timeout(REPORT_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        if saved.elapsed() + REPORT_INTERVAL > every {
            complete = save();
            saved = Instant::now();
        }
        let age = |complete: EventTime| clock.now().saturating_sub(complete) as f64 / 1000.0;
        metrics::gauge!("velodrome_checkpoint_age_seconds").set(complete.map_or(0.0, age));
        service_clock::report(clock, &health.clock);
    }
    save();
}

impl Saver {
    /// A saver that writes the changes of `running` to `checkpoint`, with the `positions` of the log.
    pub(super) fn new(
        checkpoint: Checkpoint,
        running: &RunningEngine,
        positions: Positions,
    ) -> Self {
        let (engine, unsaved) = (running.engine.clone(), Arc::clone(&running.unsaved));
        Self { checkpoint, engine, unsaved, positions, is_paused: false }
    }

    /// Saves nothing until [`follow`](Self::follow), so that an engine can be restored from the checkpoint. Changes
    /// that could not be saved are dropped; the engine computes them again.
    ///
    /// # Errors
    /// When the checkpoint cannot be opened.
    pub(super) fn pause(&mut self) -> Result<(), CheckpointError> {
        self.is_paused = true;
        self.checkpoint.revert()
    }

    /// Saves the changes of `running` from now on, whose engine was restored from the checkpoint.
    pub(super) fn follow(&mut self, running: &RunningEngine) {
        (self.engine, self.unsaved) = (running.engine.clone(), Arc::clone(&running.unsaved));
        self.is_paused = false;
    }

    /// Saves the changes that are complete.
    ///
    /// # Errors
    /// When the checkpoint cannot be written. The changes stay in memory for the next attempt.
    pub(super) fn save(&mut self) -> Result<(), CheckpointError> {
        let complete = self.positions.complete_until(self.engine.complete());
        if !self.is_paused && complete > 0 && self.checkpoint.complete() < Some(complete) {
            let (changes, view_changes) = self.unsaved.take(complete);
            let covered = self.positions.take_until(complete);
            self.checkpoint.write(complete, changes, view_changes, covered)?;
        }
        Ok(())
    }

    /// Saves the changes that are complete, and counts a failure. The log has all events, so the next save
    /// can try again.
    ///
    /// # Errors
    /// As for [`Saver::save`].
    pub(super) fn try_save(&mut self) -> Result<(), CheckpointError> {
        self.save().inspect_err(|error| {
            metrics::counter!("velodrome_checkpoint_failures_total").increment(1);
            tracing::error!(%error, "cannot write the checkpoint; trying again");
        })
    }
}
