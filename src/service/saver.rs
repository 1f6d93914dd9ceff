//! The saver: brings the checkpoint up to what is complete, now and then and at the end.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use velodrome_dataflows::Clock;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::engine::{Engine, Unsaved};
use crate::log;

/// How often the checkpoint's age is told.
const TELL: Duration = Duration::from_secs(1);

/// A checkpoint, and what it is to take up.
pub(super) struct Saver {
    pub(super) checkpoint: Checkpoint,
    pub(super) engine: Engine,
    pub(super) unsaved: Arc<Unsaved>,
}

/// Saves every so often until `stopped` hangs up, and then once more.
pub(super) fn run(
    saver: &Mutex<Saver>,
    every: Duration,
    clock: &log::Clock,
    stopped: &Receiver<()>,
) {
    let save = || {
        let mut saver = saver.lock().unwrap_or_else(PoisonError::into_inner);
        saver.save_or_tell();
        saver.checkpoint.complete()
    };
    let (mut saved, mut complete) = (Instant::now(), save());
    while stopped.recv_timeout(TELL) == Err(RecvTimeoutError::Timeout) {
        if saved.elapsed() + TELL > every {
            complete = save();
            saved = Instant::now();
        }
        let behind = |saved: Clock| clock.now().saturating_sub(saved) as f64 / 1000.0;
        let age = complete.map_or(0.0, behind);
        metrics::gauge!("velodrome_checkpoint_age_seconds").set(age);
    }
    save();
}

impl Saver {
    /// Saves what is complete.
    ///
    /// # Errors
    /// A checkpoint that cannot be written; what changed stays in memory for the next attempt.
    pub(super) fn save(&mut self) -> Result<(), CheckpointError> {
        let complete = self.engine.complete();
        if self.checkpoint.complete() < Some(complete) {
            let (changes, viewed) = self.unsaved.take(complete);
            self.checkpoint.write(complete, changes, viewed)?;
        }
        Ok(())
    }

    /// The same, where the next attempt will do.
    pub(super) fn save_or_tell(&mut self) {
        if let Err(error) = self.save() {
            // The log has it all anyway.
            metrics::counter!("velodrome_checkpoint_failures_total").increment(1);
            tracing::error!(%error, "the checkpoint could not be written; trying again");
        }
    }
}
