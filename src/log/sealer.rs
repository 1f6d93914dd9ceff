//! The sealer: makes objects of closed segments, in order, while the writer goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use metrics::{counter, gauge};

use super::error::LogError;
use super::{archive, segment};
use crate::health::Part;
use crate::store::Store;

/// A seal that failed is tried again after a second, then after twice as long each time, up to a
/// minute.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Tells the sealer which segments are closed; once it is gone, the sealer ends.
pub(super) struct Closed {
    below: Arc<AtomicU64>,
    /// One wake is enough: the sealer then looks at all that is closed.
    wake: SyncSender<()>,
}

impl Closed {
    /// All segments of a sequence below `sequence` are closed.
    pub(super) fn below(&self, sequence: u64) {
        if self.below.fetch_max(sequence, Ordering::AcqRel) < sequence {
            // Where a wake waits already, it is for this too; where the sealer is gone, for none.
            _ = self.wake.try_send(());
        }
    }
}

/// The state of the sealer thread. What waits for it is not kept but lies in the directory.
pub(super) struct Sealer {
    log: PathBuf,
    archive: Arc<dyn Store>,
    /// Told how the archive is.
    part: Part,
    below: Arc<AtomicU64>,
    wakes: Receiver<()>,
}

impl Sealer {
    /// Seals segments in `log` to objects in `archive`.
    pub(super) fn new(log: PathBuf, archive: Arc<dyn Store>, part: Part) -> (Self, Closed) {
        let (wake, wakes) = sync_channel(1);
        let below = Arc::new(AtomicU64::new(0));
        let closed = Closed { below: Arc::clone(&below), wake };
        (Self { log, archive, part, below, wakes }, closed)
    }

    /// Seals until the writer is gone.
    pub(super) fn run(self) {
        let mut retry = RETRY_MIN;
        let mut wait = None;
        loop {
            let woken = match wait {
                Some(wait) => self.wakes.recv_timeout(wait),
                None => self.wakes.recv().map_err(RecvTimeoutError::from),
            };
            if woken == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            match self.seal_closed() {
                Ok(()) => {
                    self.part.well();
                    (wait, retry) = (None, RETRY_MIN);
                }
                Err(error) => {
                    counter!("velodrome_archive_failures_total").increment(1);
                    self.part.fail(error);
                    (wait, retry) = (Some(retry), (2 * retry).min(RETRY_MAX));
                }
            }
        }
    }

    /// Seals the segments that are closed, oldest first: an object is only there where those of all
    /// segments before it are.
    fn seal_closed(&self) -> Result<(), LogError> {
        let below = self.below.load(Ordering::Acquire);
        let segments = segment::list(&self.log).map_err(LogError::disk("list", &self.log))?;
        for (sequence, path) in segments.iter().filter(|(sequence, _)| *sequence < below) {
            if self.wakes.try_recv() == Err(TryRecvError::Disconnected) {
                return Ok(());
            }
            archive::seal(path, *sequence, &*self.archive)?;
            counter!("velodrome_archive_objects_total").increment(1);
            gauge!("velodrome_log_segments").decrement(1.0);
        }
        Ok(())
    }
}
