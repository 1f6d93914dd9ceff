//! The sealer: stores closed segments as objects of the archive, in order, while the writer continues.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use metrics::{counter, gauge};

use super::error::LogError;
use super::{archive, segment};
use crate::health::Component;
use crate::store::Store;

/// After a failure, the sealer retries after one second, then doubles the delay up to a minute.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Requests to the sealer. When it is dropped, the sealer ends.
pub(super) struct SealRequests {
    below: Arc<AtomicU64>,
    /// Capacity 1 is enough: after a wake the sealer seals all closed segments.
    wake: SyncSender<()>,
}

impl SealRequests {
    /// Requests to seal all segments below `sequence`, which are closed.
    pub(super) fn seal_below(&self, sequence: u64) {
        if self.below.fetch_max(sequence, Ordering::AcqRel) < sequence {
            // Ignore a full channel, because one queued wake suffices, and a sealer that has ended.
            _ = self.wake.try_send(());
        }
    }
}

/// The state of the sealer thread. It lists the directory to find the segments to seal.
pub(super) struct Sealer {
    log: PathBuf,
    archive: Arc<dyn Store>,
    /// Receives the health of the archive.
    component: Component,
    below: Arc<AtomicU64>,
    wakes: Receiver<()>,
    /// Whether to seal all closed segments before it ends.
    seals_at_end: bool,
}

impl Sealer {
    /// A sealer of segments in `log` to objects in `archive`. With `seals_at_end`, it seals what was requested before it
    /// ends.
    pub(super) fn new(
        log: PathBuf,
        archive: Arc<dyn Store>,
        component: Component,
        seals_at_end: bool,
    ) -> (Self, SealRequests) {
        let (wake, wakes) = sync_channel(1);
        let below = Arc::new(AtomicU64::new(0));
        let requests = SealRequests { below: Arc::clone(&below), wake };
        (Self { log, archive, component, below, wakes, seals_at_end }, requests)
    }

    /// Seals until the requests are dropped.
    pub(super) fn run(self) {
        let mut retry = RETRY_MIN;
        let mut wait = None;
        loop {
            let woken = match wait {
                Some(wait) => self.wakes.recv_timeout(wait),
                None => self.wakes.recv().map_err(RecvTimeoutError::from),
            };
            if woken == Err(RecvTimeoutError::Disconnected) {
                if self.seals_at_end
                    && let Err(error) = self.seal_closed()
                {
                    tracing::warn!(%error, "the last segments are not in the archive yet; the next start stores them");
                }
                return;
            }
            match self.seal_closed() {
                Ok(()) => {
                    self.component.set_ok();
                    (wait, retry) = (None, RETRY_MIN);
                }
                Err(error) => {
                    counter!("velodrome_archive_failures_total").increment(1);
                    self.component.fail(error);
                    (wait, retry) = (Some(retry), (2 * retry).min(RETRY_MAX));
                }
            }
        }
    }

    /// Seals the closed segments, oldest first: an object exists only after the objects of all earlier
    /// segments.
    fn seal_closed(&self) -> Result<(), LogError> {
        let below = self.below.load(Ordering::Acquire);
        let segments = segment::list(&self.log).map_err(LogError::disk("list", &self.log))?;
        for (sequence, path) in segments.iter().filter(|(sequence, _)| *sequence < below) {
            let is_ending = self.wakes.try_recv() == Err(TryRecvError::Disconnected);
            if is_ending && !self.seals_at_end {
                return Ok(());
            }
            archive::seal(path, *sequence, &*self.archive)?;
            counter!("velodrome_archive_objects_total").increment(1);
            gauge!("velodrome_log_segments").decrement(1.0);
        }
        Ok(())
    }
}
