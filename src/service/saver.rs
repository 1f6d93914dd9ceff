//! The saver: brings the checkpoint up to what is complete, now and then and at the end.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use velodrome_dataflows::Clock;

use crate::checkpoint::Checkpoint;
use crate::engine::{Engine, Unsaved};

/// How often the checkpoint's age is told.
const TELL: Duration = Duration::from_secs(1);

/// What the saver works with.
pub(super) struct Saver {
    pub(super) checkpoint: Checkpoint,
    pub(super) engine: Engine,
    pub(super) unsaved: Arc<Unsaved>,
    pub(super) every: Duration,
    pub(super) clock: crate::log::Clock,
}

impl Saver {
    /// Saves every so often until `stopped` hangs up, and then once more.
    pub(super) fn run(mut self, stopped: &Receiver<()>) {
        let mut saved = Instant::now();
        while stopped.recv_timeout(TELL) == Err(RecvTimeoutError::Timeout) {
            if saved.elapsed() + TELL > self.every {
                self.save();
                saved = Instant::now();
            }
            let behind = |saved: Clock| self.clock.now().saturating_sub(saved) as f64 / 1000.0;
            let age = self.checkpoint.complete().map_or(0.0, behind);
            metrics::gauge!("velodrome_checkpoint_age_seconds").set(age);
        }
        self.save();
    }

    fn save(&mut self) {
        let complete = self.engine.complete();
        if self.checkpoint.complete() < Some(complete) {
            let (changes, viewed) = self.unsaved.take(complete);
            if let Err(error) = self.checkpoint.write(complete, changes, viewed) {
                // What changed stays in memory for the next attempt; the log has it all anyway.
                metrics::counter!("velodrome_checkpoint_failures_total").increment(1);
                tracing::error!(%error, "the checkpoint could not be written; trying again");
            }
        }
    }
}
