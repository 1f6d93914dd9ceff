//! The engine, with the bans and the checkpoint from which its state is restored.

use std::slice;
use std::time::Instant;

use tokio::runtime::Handle;
use velodrome_dataflows::EventTime;

use super::config::Config;
use super::error::ServiceError;
use crate::bans::Bans;
use crate::checkpoint::Checkpoint;
use crate::engine::{
    Command, Events, RecoveryCounts, RideAdmission, RunningEngine, recover, recovery_window_ms,
};
use crate::log::LogFiles;

/// The engine, with the bans and the checkpoint from which its state is restored.
pub(super) struct EngineState {
    pub(super) running: RunningEngine,
    pub(super) bans: Bans,
    pub(super) checkpoint: Checkpoint,
}

impl EngineState {
    /// Starts the workers and applies the bans. A node of a cluster has no workers until a generation runs.
    ///
    /// The bans are the first command that the engine receives, so no reader ever sees a banned racer.
    pub(super) fn start(config: &Config, checkpoint: Checkpoint) -> Result<Self, ServiceError> {
        let rules = checkpoint.rules().clone();
        let running = match config.cluster {
            None => RunningEngine::start(config.workers, rules)?,
            Some(_) => RunningEngine::idle(rules),
        };
        let bans = Bans::open(&config.data, running.engine.clone())?;
        Ok(Self { running, bans, checkpoint })
    }

    /// Restores the checkpoint, then replays the part of the log that the checkpoint does not cover.
    /// Returns the clock at the last event replayed.
    ///
    /// `admission` receives the same rides as the engine.
    ///
    /// # Errors
    /// When the checkpoint or the log cannot be read, and when `config.stop` is true.
    pub(super) fn recover(
        &self,
        config: &Config,
        files: &LogFiles,
        runtime: &Handle,
        admission: &mut RideAdmission,
    ) -> Result<EventTime, ServiceError> {
        let began = Instant::now();
        self.restore_checkpoint(config, admission)?;
        let (inputs, recovered) = self.replay_log(config, files, runtime, admission)?;
        config.check_stop()?;

        let seconds = began.elapsed().as_secs_f64();
        let checkpoint_ms = self.checkpoint.complete();
        let RecoveryCounts { events, rejected, .. } = recovered;
        tracing::info!(
            seconds,
            checkpoint_ms,
            inputs,
            events,
            rejected,
            "loaded the checkpoint and replayed the log"
        );
        Ok(recovered.clock)
    }

    /// Distributes the changes of the checkpoint over the workers.
    fn restore_checkpoint(
        &self,
        config: &Config,
        admission: &mut RideAdmission,
    ) -> Result<(), ServiceError> {
        let workers = self.running.engine.workers();
        let mut next = workers.iter().cycle();
        self.checkpoint.read(|changes, view_changes| {
            if *config.stop.borrow() {
                return;
            }
            admission.restore(&changes);
            if let Some(worker) = next.next() {
                worker.send(Command::Restore(changes, view_changes));
            }
        })?;
        config.check_stop()
    }

    /// Replays the log from a recovery window before the checkpoint's time, because rides that were
    /// running at that time had started earlier. Returns the number of inputs and the counts of the
    /// replay.
    fn replay_log(
        &self,
        config: &Config,
        files: &LogFiles,
        runtime: &Handle,
        admission: &mut RideAdmission,
    ) -> Result<(usize, RecoveryCounts), ServiceError> {
        let window = recovery_window_ms(self.checkpoint.rules());
        let complete = self.checkpoint.complete();
        let from = complete.map_or(0, |complete| complete.saturating_sub(window));
        let inputs = files.inputs_from(from, self.checkpoint.covered())?;
        let mut recovered = RecoveryCounts::default();
        let engine = &self.running.engine;
        let observe = |events: &Events| admission.replay(&events.samples);
        let should_continue = |_: &RecoveryCounts| !*config.stop.borrow();
        let span = from..u64::MAX;
        recover(
            slice::from_ref(&inputs),
            span,
            engine,
            runtime,
            &mut recovered,
            observe,
            should_continue,
        )?;
        Ok((inputs.len(), recovered))
    }
}
