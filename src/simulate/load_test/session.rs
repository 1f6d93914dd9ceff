//! The state that the connections of a load test share: its clock, its statistics, and how it ends.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::error::LoadTestError;
use super::report::{Progress, Report};
use super::stats::Stats;

/// The interval at which waits check whether the load test is over.
const POLL: Duration = Duration::from_millis(50);

/// A running load test. All times are relative to its start.
#[derive(Debug)]
pub(super) struct Session<'a> {
    start: Instant,
    /// The maximum time without an acknowledgement.
    pub(super) silence_timeout: Duration,
    stop: &'a watch::Receiver<bool>,
    stats: Mutex<Stats>,
    /// The first permanent error.
    error: OnceLock<LoadTestError>,
}

impl<'a> Session<'a> {
    /// Starts now. It ends early when `stop` becomes true.
    pub(super) fn start(
        silence_timeout: Duration,
        stop: &'a watch::Receiver<bool>,
    ) -> Result<Self, LoadTestError> {
        let stats = Mutex::new(Stats::new()?);
        Ok(Self { start: Instant::now(), silence_timeout, stop, stats, error: OnceLock::new() })
    }

    /// The time since the start.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until `time`. Returns false if the load test ends first.
    pub(super) fn wait_until(&self, time: Duration) -> bool {
        loop {
            if self.is_over() {
                return false;
            }
            let left = time.saturating_sub(self.now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(POLL));
        }
    }

    /// Whether it was stopped or has failed.
    pub(super) fn is_over(&self) -> bool {
        *self.stop.borrow() || self.error.get().is_some()
    }

    /// Whether nothing was acknowledged for the timeout, for a request that was first sent at `first`.
    pub(super) fn is_timed_out_since(&self, first: Duration) -> bool {
        let since = first.max(self.stats().last_acknowledged);
        self.now().saturating_sub(since) >= self.silence_timeout
    }

    /// Ends the load test with an error. Only the first error counts.
    pub(super) fn fail(&self, error: LoadTestError) {
        self.error.set(error).unwrap_or_default();
    }

    /// The statistics, locked.
    pub(super) fn stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The progress so far.
    pub(super) fn progress(&self) -> Progress {
        self.stats().progress()
    }

    /// The report, or the first error. All connections must have ended.
    pub(super) fn finish(self) -> Result<Report, LoadTestError> {
        let wall = self.now();
        let report = self.stats().report(wall);
        self.error.into_inner().map_or(Ok(report), Err)
    }
}
