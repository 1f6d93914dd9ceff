//! What the connections of a drive share: its clock, its count, and how it ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::tally::Tally;
use super::{DriveError, Report, Snapshot};

/// How soon a wait notices that the drive is over.
const NOTICE: Duration = Duration::from_millis(50);

/// A drive on its way. Its times are since its beginning.
#[derive(Debug)]
pub(super) struct Course<'a> {
    beginning: Instant,
    /// How long to go on without an acknowledgement.
    pub(super) patience: Duration,
    stop: &'a AtomicBool,
    tally: Mutex<Tally>,
    /// The first thing that went wrong for good.
    error: OnceLock<DriveError>,
}

impl<'a> Course<'a> {
    /// Begins now.
    pub(super) fn begin(patience: Duration, stop: &'a AtomicBool) -> Result<Self, DriveError> {
        let tally = Mutex::new(Tally::new()?);
        Ok(Self { beginning: Instant::now(), patience, stop, tally, error: OnceLock::new() })
    }

    /// The time.
    pub(super) fn now(&self) -> Duration {
        self.beginning.elapsed()
    }

    /// Waits; false where the drive is over before.
    pub(super) fn wait_until(&self, time: Duration) -> bool {
        loop {
            if self.is_over() {
                return false;
            }
            let left = time.saturating_sub(self.now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(NOTICE));
        }
    }

    /// Whether it was stopped or has failed.
    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.error.get().is_some()
    }

    /// Whether patience is at an end for what was first tried at `first`.
    pub(super) fn is_silent_since(&self, first: Duration) -> bool {
        let since = first.max(self.tally().last_acknowledged);
        self.now().saturating_sub(since) >= self.patience
    }

    /// Ends it with the first error.
    pub(super) fn fail(&self, error: DriveError) {
        // Of several connections that fail at once, one tells.
        self.error.set(error).unwrap_or_default();
    }

    /// The count, to add to.
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it goes.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.tally().snapshot()
    }

    /// What it came to, now that all connections have ended.
    pub(super) fn finish(self) -> Result<Report, DriveError> {
        let wall = self.now();
        let report = self.tally().report(wall);
        self.error.into_inner().map_or(Ok(report), Err)
    }
}
